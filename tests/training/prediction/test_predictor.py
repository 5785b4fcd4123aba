"""Predictions equal evaluations of the same images, to the last digits of a float."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch
from PIL import Image

from tuitrain.config.schema import Config
from tuitrain.errors import RunError
from tuitrain.hosts.evaluate import evaluation_config
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.follower import Follower
from tuitrain.training import checkpoint
from tuitrain.training.data.standard import read as read_standard
from tuitrain.training.evaluation.evaluate import Result, evaluate
from tuitrain.training.prediction.predictor import Classified, Predictor
from tuitrain.training.setup import Setup, prepare

Train = Callable[..., Follower]
CLASSES = ("dark", "green", "noisy")
WIDTH, HEIGHT = 24, 16
# The settings of a run on pictures, and the NumPy type of their values.
KINDS = {
    "cropped": ((), "u1"),
    "squashed": (("data.resize=squash", "model.batch_norm=true"), "u1"),
    "padded, averaged": (("data.resize=pad", "training.ema=0.9"), "u1"),
    "grey": (("data.channels=grey", "data.normalize=false"), "u1"),
    "12 bits": ((), "u2"),
    "range": (("data.value_range=[100, 3000]",), "u2"),
    "half precision": (("training.precision=bf16",), "u1"),
}


def make_pictures(folder: Path, kind: str, count: int = 8) -> Path:
    """Write `count` images per class and split, as PNG."""
    rng = np.random.default_rng(0)
    for split in ("train", "test"):
        for label, name in enumerate(CLASSES):
            (folder / split / name).mkdir(parents=True)
            for number in range(count):
                image = rng.integers(0, 100, (HEIGHT, WIDTH, 3)) + (0, 60, 100)[label]
                image[..., 1] += 60 * (label == 1)
                pixels = Image.fromarray((16 * image[..., 1]).astype("<u2") if kind == "u2" else image.astype("u1"))
                pixels.save(folder / split / name / f"{number}.png")
    return folder


@pytest.fixture
def folder(train: Train, tmp_path: Path, request: pytest.FixtureRequest) -> RunFolder:
    """Return a run on pictures in tmp_path/photos."""
    settings, kind = KINDS[getattr(request, "param", "cropped")]
    photos = make_pictures(tmp_path / "photos", kind)
    return train(
        "data.dataset=image-folder", f"data.dir={photos}", "data.image_size=12", "data.validation=0", "model.name=cnn",
        "model.channels=[4]", "training.epochs=2", "data.batch_size=8", "optimizer.lr=0.01", *settings,
    ).folder  # fmt: skip


def predictor_of(folder: RunFolder, *, augmented: bool = False) -> Predictor:
    config = evaluation_config(folder.config(), "cpu", on_cpu=True)
    return Predictor.of_run(folder, config, "last", augmented=augmented)


def evaluated(folder: RunFolder) -> tuple[Setup, Result]:
    """Return the evaluation of the test split."""
    config: Config = evaluation_config(folder.config(), "cpu", on_cpu=True)
    setup = prepare(config, lambda *_: None, before=folder.info(), has_checkpoint=True, only="test")
    path = folder.checkpoints / "last.safetensors"
    checkpoint.load_weights(setup.model, checkpoint.load(path), path)
    classes, data = len(setup.dataset.classes), setup.dataset
    return setup, evaluate(setup.model, data.test, setup.normalize, data.shape, classes, setup.autocast)


def assert_equal(found: list[Classified], result: Result) -> None:
    assert [one.top[0][0] for one in found] == result.predicted.tolist()
    assert [one.top[0][1] for one in found] == pytest.approx(result.probability.tolist(), abs=1e-6)


@pytest.mark.parametrize("folder", KINDS, indirect=True)
def test_predictions_are_those_of_the_evaluation_without_the_data_set(folder: RunFolder, tmp_path: Path) -> None:
    setup, result = evaluated(folder)
    moved = [path.replace("/photos/", "/elsewhere/") for path in setup.dataset.test.files]
    (tmp_path / "photos").rename(tmp_path / "elsewhere")
    found = list(predictor_of(folder).classify(moved, 3))
    assert [one.path for one in found] == moved
    assert_equal(found, result)
    assert all(sum(probability for _, probability in one.top) == pytest.approx(1, abs=1e-5) for one in found)
    assert all(sorted(one.top, key=lambda guess: -guess[1]) == list(one.top) for one in found)
    # A picture's prediction does not depend on those beside it.
    alone = next(predictor_of(folder).classify([moved[4]], 3))
    assert dict(alone.top) == pytest.approx(dict(found[4].top), abs=1e-6)


def test_predictions_of_a_data_set_without_files(train: Train, tmp_path: Path) -> None:
    folder = train("training.epochs=1").folder
    test = read_standard("digits", None, lambda *_: None).test
    paths = []
    for number, image in enumerate(test.images[:, 0].numpy()):
        paths.append(str(tmp_path / f"{number}.png"))
        Image.fromarray(np.round(image * (255 / 16)).astype("u1")).convert("RGB").save(paths[-1])
    predictor = predictor_of(folder)
    assert_equal(list(predictor.classify(paths, 1)), evaluated(folder)[1])
    assert predictor.read.changes(paths[0]) == "converted to grey"


@pytest.mark.parametrize(
    ("size", "mode", "expected"),
    [
        ((120, 80), "RGB", "cropped to the middle, resized 120x80 to 8x8, converted to grey"),
        ((80, 80), "L", "resized 80x80 to 8x8"),
        ((8, 8), "L", ""),
    ],
)
def test_what_reading_changes(train: Train, tmp_path: Path, size: tuple[int, int], mode: str, expected: str) -> None:
    Image.new(mode, size).save(tmp_path / "one.png")
    assert predictor_of(train("training.epochs=1").folder).read.changes(str(tmp_path / "one.png")) == expected


@contextmanager
def replaced(path: Path) -> Iterator[None]:
    kept = path.read_bytes()
    path.unlink()
    yield
    if path.exists():
        path.unlink()
    path.write_bytes(kept)


def test_what_is_no_picture_is_named_and_the_rest_continues(folder: RunFolder, tmp_path: Path) -> None:
    photos = tmp_path / "photos/test/green"
    (photos / "text.jpg").write_text("I am no picture", encoding="utf-8")
    (photos / "short.png").write_bytes((photos / "0.png").read_bytes()[:100])
    os.mkfifo(photos / "pipe.png")
    names = ["text.jpg", "0.png", "short.png", "pipe.png", "missing.png", "1.png", "a\0b.png", "."]
    predictor = predictor_of(folder)
    found = list(predictor.classify([str(photos / name) for name in names], 1))
    assert [one.problem for one in found] == [
        "not an image", "", "truncated", "not a file", "no such file or directory", "", "not a path", "not a file",
    ]  # fmt: skip
    assert [bool(one.top) for one in found] == [not one.problem for one in found]
    assert not any(predictor.read.changes(str(photos / name)) for name in ("text.jpg", "pipe.png", "missing.png"))


def test_decoding_is_only_a_few_batches_ahead(
    folder: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tuitrain.training.prediction.predictor.batch_size_on", lambda *_: 4)
    path, asked = str(tmp_path / "photos/test/green/0.png"), 0

    def endless() -> Iterator[str]:
        nonlocal asked
        while True:
            asked += 1
            yield path

    predictions = predictor_of(folder).classify(endless(), 1)
    for number in range(1, 41):
        next(predictions)
        assert asked <= number + 3 * 4 + 1
    predictions.close()  # type: ignore[attr-defined]


def test_an_unknown_kind_of_values_has_the_range_of_each_image(folder: RunFolder, tmp_path: Path) -> None:
    bright = np.random.default_rng(0).integers(0, 2**12, (12, 12)).astype("<u2")
    for name, image in (("12.png", bright), ("16.png", 16 * bright), ("float.tiff", (bright / 4096).astype("f4"))):
        Image.fromarray(image).save(tmp_path / name)
    predictor = predictor_of(folder)
    a, b, c = (predictor.read(str(tmp_path / name)) for name in ("12.png", "16.png", "float.tiff"))
    assert torch.equal(a, b)
    assert (a.int() - c.int()).abs().max() <= 1
    assert list(predictor.read.read.ranges.notes()) == [
        "2 images have 16-bit values, which the run does not know: each is scaled by its own range",
        "1 image has floating-point values, which the run does not know: each is scaled by its own range",
    ]


def test_views_of_photos_and_of_digits(folder: RunFolder, train: Train, tmp_path: Path) -> None:
    plain, augmented = predictor_of(folder), predictor_of(folder, augmented=True)
    assert (len(plain.views), len(augmented.views)) == (1, 10)
    assert len(predictor_of(train("training.epochs=1").folder, augmented=True).views) == 1
    path = str(tmp_path / "photos/test/noisy/0.png")
    image = plain.read(path)[None]
    # A mirror image has the same views, so it has the same prediction.
    assert torch.allclose(augmented.probabilities(image), augmented.probabilities(image.flip(3)), atol=1e-6)
    assert not torch.allclose(augmented.probabilities(image), plain.probabilities(image), atol=1e-6)
    # The average of the probabilities of all views.
    views = torch.cat(list(augmented.views.of(image.float() / 255)))
    assert torch.allclose(augmented.probabilities(image), plain.probabilities(views).mean(0, keepdim=True), atol=1e-5)


def test_the_weights_must_be_there_and_fit(folder: RunFolder) -> None:
    path = folder.checkpoints / "last.safetensors"
    with replaced(path), pytest.raises(RunError, match=r"^The checkpoint last\.safetensors is missing in "):
        predictor_of(folder)
    with replaced(path):
        path.write_bytes(b"no weights")
        with pytest.raises(RunError, match="is damaged"):
            predictor_of(folder)
    info = folder.info_file.read_text(encoding="utf-8")
    folder.info_file.write_text(info.replace('"shape":', '"shapes":'), encoding="utf-8")
    with pytest.raises(RunError, match="ended before it had loaded its data"):
        predictor_of(folder)


def test_the_users_own_images(train: Train, tmp_path: Path) -> None:
    """They need not be squares; pictures have the same size in the network. The file is not needed."""
    (tmp_path / "own.py").write_text(
        "import torch\n"
        "def data():\n"
        "    images = torch.rand(40, CHANNELS, 6, 9)\n"
        "    return {'train': (images, torch.arange(40) % 2), 'classes': ['a', 'b']}\n".replace("CHANNELS", "3")
    )
    folder = train(f"data.dataset={tmp_path}/own.py:data", "training.epochs=1", "data.validation=0").folder
    (tmp_path / "own.py").unlink()
    Image.new("RGB", (90, 60), "red").save(tmp_path / "red.png")
    predictor = predictor_of(folder)
    assert predictor.read(str(tmp_path / "red.png")).shape == (3, 6, 9)
    assert predictor.read.changes(str(tmp_path / "red.png")) == "resized 90x60 to 9x6"
    assert len(next(predictor.classify([str(tmp_path / "red.png")], 5)).top) == 2
    info = folder.info()
    info.shape, info.mean, info.std = (4, 6, 9), [0.0] * 4, [1.0] * 4
    folder.info_file.write_bytes(msgspec.json.encode(info))
    shutil.rmtree(folder.code)
    with pytest.raises(RunError, match=r"trained on images with 4 channels; pictures have 1 or 3\.$"):
        predictor_of(folder)
