"""The file of an evaluation's predictions: what it keeps, and what damaged and hostile files do."""

import io
import os
import pickle
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tuitrain.errors import RunError
from tuitrain.runs.predictions import LARGEST, Predictions, keep_most_probable, read

NAMES = ("cat/ä.png", "dog/1.png", "dog/\udcff.png", "a b.png", "x")


def probabilities(images: int = 5, classes: int = 4) -> NDArray[np.float32]:
    logits = np.random.default_rng(3).normal(size=(images, classes)) * 4
    exponentials = np.exp(logits - logits.max(1, keepdims=True))
    values: NDArray[np.float32] = (exponentials / exponentials.sum(1, keepdims=True)).astype(np.float32)
    return values


def predictions(names: tuple[str, ...] = NAMES) -> Predictions:
    labels = np.array([3, 0, 1, 1, 2][: len(names)])
    return Predictions(labels, probabilities(len(names)).astype(np.float16), names, step=7)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "test.predictions.npz"
    assert predictions().write(path)
    return path


def archive(path: Path, /, **arrays: Any) -> None:
    """Replace arrays in the file, or remove those that are None."""
    with np.load(path) as stored:
        kept = {name: stored[name] for name in stored.files}
    np.savez(path, **{name: array for name, array in (kept | arrays).items() if array is not None})


def test_what_is_written_is_read_back(file: Path) -> None:
    stored, back = predictions(), read(file)
    assert back.labels.dtype == np.int64
    assert back.labels.tolist() == stored.labels.tolist()
    assert back.names == NAMES
    assert back.step == 7
    assert back.probabilities.dtype == np.float32
    assert back.probabilities == pytest.approx(probabilities(), rel=1e-3, abs=1e-7)
    assert back.probabilities.sum(1) == pytest.approx(1, abs=1e-6)
    assert back.predicted.tolist() == probabilities().argmax(1).tolist()


def test_numpy_reads_the_file_without_pickle(file: Path) -> None:
    with np.load(file, allow_pickle=False) as stored:
        assert stored["probabilities"].dtype == np.float16
        assert stored["names"].tolist() == list(NAMES)
        assert stored["labels"].tolist() == [3, 0, 1, 1, 2]


def test_no_images_are_no_predictions(tmp_path: Path) -> None:
    empty = Predictions(np.zeros(0, np.int64), np.zeros((0, 3), np.float16), ())
    assert empty.write(tmp_path / "empty.npz")
    back = read(tmp_path / "empty.npz")
    assert (back.probabilities.shape, back.predicted.shape, back.names) == ((0, 3), (0,), ())


def test_rounding_keeps_the_predicted_classes() -> None:
    exact = np.array([[0.4999, 0.5001], [0.5001, 0.4999], [0.9, 0.1], [0.50001, 0.49999]], np.float32)
    rounded = exact.astype(np.float16)
    keep_most_probable(rounded, exact.argmax(1))
    assert rounded.argmax(1).tolist() == exact.argmax(1).tolist() == [1, 0, 0, 0]
    assert rounded.astype(np.float32) == pytest.approx(exact, abs=1e-3)


def test_an_output_that_is_not_finite_stays_unknown(tmp_path: Path) -> None:
    values = np.array([[np.nan, np.nan], [0.25, 0.75]], np.float16)
    keep_most_probable(values, np.array([0, 1]))
    Predictions(np.array([0, 1]), values, ("0", "1")).write(tmp_path / "nan.npz")
    back = read(tmp_path / "nan.npz")
    assert np.isnan(back.probabilities).tolist() == [[True, True], [False, False]]
    assert back.predicted.tolist() == [0, 1]


def test_what_would_be_too_large_is_not_written(tmp_path: Path) -> None:
    huge: Any = np.lib.stride_tricks.as_strided(np.zeros(1, np.float16), (LARGEST // 2, 1), (0, 0))
    assert not Predictions(np.zeros(1, np.int64), huge, ("a",)).write(tmp_path / "huge.npz")
    assert not list(tmp_path.iterdir())


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[content.index(b"probabilities") + 150] ^= 0xFF
    path.write_bytes(content)


def bomb(path: Path) -> None:
    """A member that unpacks to more than the limit."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("labels.npy", bytes(20_000))


def claims(path: Path) -> None:
    """A header that asks for exabytes."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<u2", "fortran_order": False, "shape": (2**60,)})
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("labels.npy", header.getvalue())


class Trap:
    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return (os.system, ("touch trapped",))


def pickled(path: Path) -> None:
    path.write_bytes(pickle.dumps(Trap()))


def objects(path: Path) -> None:
    archive(path, names=np.array([Trap()] * 5, dtype=object))


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def lies(path: Path) -> None:
    """A member whose compressed data are not what the directory says."""
    with zipfile.ZipFile(path, "w") as file:
        member = zipfile.ZipInfo("labels.npy")
        file.writestr(member, zlib.compress(b"x"))
        member.compress_type = zipfile.ZIP_DEFLATED


ONE = np.float16(1)
DAMAGES: dict[str, Callable[[Path], object]] = {
    "empty": lambda path: path.write_bytes(b""),
    "garbage": lambda path: path.write_bytes(bytes(range(256)) * 9),
    "half": cut,
    "a changed byte": flip,
    "a pickle": pickled,
    "pickled objects": objects,
    "a bomb": bomb,
    "a header that lies": claims,
    "a directory that lies": lies,
    "a folder": a_folder,
    "a pipe": a_pipe,
    "no labels": lambda path: archive(path, labels=None),
    "no names": lambda path: archive(path, names=None),
    "float labels": lambda path: archive(path, labels=np.zeros(5)),
    "double probabilities": lambda path: archive(path, probabilities=probabilities().astype(float)),
    "fewer names": lambda path: archive(path, names=np.array(["a"])),
    "fewer labels": lambda path: archive(path, labels=np.zeros(4, np.uint16)),
    "a table of labels": lambda path: archive(path, labels=np.zeros((5, 1), np.uint16)),
    "a label that no class has": lambda path: archive(path, labels=np.full(5, 4, np.uint16)),
    "no classes": lambda path: archive(path, probabilities=np.zeros((5, 0), np.float16)),
    "negative": lambda path: archive(path, probabilities=np.full((5, 4), -ONE / 4)),
    "above 1": lambda path: archive(path, probabilities=np.full((5, 4), 2 * ONE)),
    "infinite": lambda path: archive(path, probabilities=np.full((5, 4), ONE * np.inf)),
    "many steps": lambda path: archive(path, step=np.arange(5)),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_file_says_so_in_one_sentence(
    file: Path, damage: Callable[[Path], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(file.parent)
    monkeypatch.setattr("tuitrain.runs.predictions.LARGEST", 10_000)
    damage(file)
    with pytest.raises(RunError, match=r"^test\.predictions\.npz (is damaged|cannot be read): [^\n]+\.($| )"):
        read(file)
    assert not Path("trapped").exists()


def test_a_missing_file_says_what_makes_it(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"test\.predictions\.npz is missing.*tuitrain evaluate"):
        read(tmp_path / "test.predictions.npz")


def test_an_array_by_columns_is_read_right(file: Path) -> None:
    archive(file, probabilities=np.asfortranarray(predictions().rounded))
    assert read(file).rounded.tolist() == predictions().rounded.tolist()
