import gzip
import hashlib
import os
import pickle
import random
import shutil
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tuitrain.config.data.datasets import DATASETS
from tuitrain.config.data.schema import Data
from tuitrain.errors import DataError
from tuitrain.training.data import standard
from tuitrain.training.data.download import download_missing
from tuitrain.training.data.load import load
from tuitrain.training.data.normalize import Normalizer
from tuitrain.training.data.splits import MemorySplit
from tuitrain.training.data.stratify import stratified

CPU = torch.device("cpu")
NOBODY = "http://127.0.0.1:9/"
RAW = Path(os.environ.get("TUITRAIN_TEST_DATA", "../shared/data")) / "MNIST/raw"
needs_mnist = pytest.mark.skipif(not RAW.is_dir(), reason=f"no MNIST in {RAW}: set TUITRAIN_TEST_DATA")


def images(split: object) -> torch.Tensor:
    assert isinstance(split, MemorySplit)
    return split.images


def quiet(doing: str, fraction: float | None) -> None:
    assert doing
    assert fraction is None or 0 <= fraction <= 1


def test_the_files_of_each_data_set_begin_with_the_one_that_is_searched() -> None:
    assert standard.files_of("digits") == ()
    for name, info in DATASETS.items():
        files = standard.files_of(name)
        assert len(set(files)) == len(files)
        assert name == "digits" or any(file.startswith(info.place) for file in files), name


def test_digits_are_split_and_normalised_by_the_training_split() -> None:
    data = load(Data(), 0, CPU, quiet)
    assert data.validation is not None
    assert (len(data.train), len(data.validation), len(data.test)) == (1293, 144, 360)
    assert (data.shape, data.classes) == ((1, 8, 8), DATASETS["digits"].classes)
    train = Normalizer(data.normalization, CPU)(images(data.train))
    assert train.mean().item() == pytest.approx(0, abs=1e-5)
    assert train.std(correction=0).item() == pytest.approx(1, abs=1e-5)
    assert torch.bincount(data.train.labels, minlength=10).min() > 120
    pixels = train * data.std[0] + data.mean[0]
    assert pixels.min().item() == pytest.approx(0, abs=1e-6)
    assert pixels.max().item() == pytest.approx(1)


def test_digits_are_those_of_scikit_learn() -> None:
    from sklearn.datasets import load_digits

    theirs, ours = load_digits(), standard.read("digits", None, quiet)
    pixels = torch.cat([ours.train.images, ours.test.images]).flatten(1)
    labels = torch.cat([ours.train.labels, ours.test.labels])
    found = sorted(zip(pixels.tolist(), labels.tolist(), strict=True))
    assert found == sorted(zip(theirs.data.astype(int).tolist(), theirs.target.tolist(), strict=True))


def test_digits_without_validation_and_normalisation() -> None:
    data = load(Data(validation=0, normalize=False), 0, CPU)
    assert data.validation is None
    assert (len(data.train), len(data.test)) == (1437, 360)
    assert (data.mean, data.std) == ((0.0,), (1.0,))
    pixels = images(data.train)
    assert (pixels.dtype, pixels.max().item()) == (torch.uint8, 16)
    assert torch.equal(Normalizer(data.normalization, CPU)(pixels), pixels / 16)


def test_seed_moves_the_validation_split_and_never_the_test_split() -> None:
    first, again, other = (load(Data(normalize=False), seed, CPU) for seed in (1, 1, 2**62))
    assert torch.equal(images(first.validation), images(again.validation))
    assert not torch.equal(images(first.validation), images(other.validation))
    assert torch.equal(images(first.test), images(other.test))


def test_loading_leaves_the_global_generators_alone() -> None:
    torch.manual_seed(5)
    np.random.seed(5)
    random.seed(5)
    before = (torch.get_rng_state(), str(np.random.get_state(legacy=False)), random.getstate())
    load(Data(), 3, CPU)
    assert torch.equal(before[0], torch.get_rng_state())
    assert before[1:] == (str(np.random.get_state(legacy=False)), random.getstate())


def test_a_seed_means_the_same_rows_on_every_machine() -> None:
    labels = torch.tensor([0, 1, 2, 0, 1, 2, 0, 1, 0, 0])
    kept, held = stratified(labels, 0.3, 7)
    assert held.tolist() == [2, 4, 9]
    assert stratified(torch.arange(1000) % 10, 0.004, 2**62)[1].tolist() == [232, 251, 350, 393]
    assert sorted(kept.tolist() + held.tolist()) == list(range(10))


@pytest.mark.parametrize("fraction", [0.01, 0.1, 0.3, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("counts", [[1, 2, 3, 50], [7, 7, 7], [1, 1, 4], [100, 1], [2, 0, 2]])
def test_a_split_holds_out_its_share_and_leaves_every_class_an_image(counts: list[int], fraction: float) -> None:
    labels = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    kept, held = stratified(labels, fraction, 0)
    left = torch.bincount(labels[kept], minlength=len(counts)).tolist()
    taken = torch.bincount(labels[held], minlength=len(counts)).tolist()
    assert [a + b for a, b in zip(left, taken, strict=True)] == counts
    assert all(rest >= min(count, 1) for rest, count in zip(left, counts, strict=True))
    assert all(abs(part - fraction * count) < 1.001 for part, count in zip(taken, counts, strict=True))
    assert len(held) >= min(fraction * len(labels), sum(max(0, count - 1) for count in counts)) - len(counts)


def test_holding_out_rounds_up_to_the_whole_share() -> None:
    assert len(stratified(torch.arange(60_000) % 10, 0.1, 0)[1]) == 6_000
    assert len(stratified(torch.arange(1_797) % 10, 0.2, 0)[1]) == 360


@needs_mnist
def test_mnist_is_read_where_it_lies() -> None:
    data = load(Data(dataset="mnist", dir=str(RAW.parent.parent)), 0, CPU, quiet)
    assert data.validation is not None
    assert (len(data.train), len(data.validation), len(data.test)) == (54_000, 6_000, 10_000)
    assert data.mean[0] == pytest.approx(0.1307, abs=5e-4)
    assert data.std[0] == pytest.approx(0.3081, abs=5e-4)
    assert torch.bincount(data.test.labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    order = torch.tensor([53_999, 0, 7])
    batches = list(data.train.batches(order, 2))
    assert [len(labels) for _, labels in batches] == [2, 1]
    assert torch.equal(torch.cat([labels for _, labels in batches]), data.train.labels[order])
    assert torch.equal(torch.cat([some for some, _ in batches]), images(data.train)[order])


@pytest.fixture
def mnist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with links to the real files; downloads fail."""
    from torchvision import datasets

    monkeypatch.setattr(datasets.MNIST, "mirrors", [NOBODY])
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    raw = tmp_path / "MNIST/raw"
    raw.mkdir(parents=True)
    for file in RAW.iterdir():
        (raw / file.name).symlink_to(file.resolve())
    return raw


@needs_mnist
@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("t10k-images-idx3-ubyte", 4_000_000),
        ("t10k-images-idx3-ubyte", 10),
        ("train-images-idx3-ubyte", 0),
        ("t10k-labels-idx1-ubyte", 5_000),
        ("train-labels-idx1-ubyte", 3),
    ],
)
def test_a_truncated_file_is_named_and_left_alone(mnist: Path, name: str, size: int) -> None:
    file = mnist / name
    content = file.read_bytes()[:size]
    file.unlink()
    file.write_bytes(content)
    with pytest.raises(DataError, match=f"{name} is damaged or cut short. Delete it"):
        load(Data(dataset="mnist", dir=str(mnist.parent.parent)), 0, CPU)
    assert file.read_bytes() == content


@needs_mnist
def test_labels_of_another_split_are_noticed(mnist: Path) -> None:
    (mnist / "train-labels-idx1-ubyte").unlink()
    shutil.copy(mnist / "t10k-labels-idx1-ubyte", mnist / "train-labels-idx1-ubyte")
    with pytest.raises(DataError, match="60,000 images and 10,000 labels"):
        load(Data(dataset="mnist", dir=str(mnist.parent.parent)), 0, CPU)


@needs_mnist
def test_labels_out_of_range_are_noticed(mnist: Path) -> None:
    labels = mnist / "t10k-labels-idx1-ubyte"
    content = labels.read_bytes()
    labels.unlink()
    labels.write_bytes(content[:-1] + bytes([12]))
    with pytest.raises(DataError, match="labels go from 0 to 12, not from 0 to 9"):
        load(Data(dataset="mnist", dir=str(mnist.parent.parent)), 0, CPU)


@needs_mnist
def test_a_missing_file_without_a_network_is_named_with_its_folder(mnist: Path, capfd: Any) -> None:
    (mnist / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(DataError) as caught:
        load(Data(dataset="mnist", dir=str(mnist.parent.parent)), 0, CPU)
    assert caught.value.message.startswith(f"mnist is not in {mnist} and could not be downloaded (")
    assert caught.value.hint.startswith("Copy t10k-labels-idx1-ubyte there")
    assert len(list(mnist.iterdir())) == 3
    assert capfd.readouterr() == ("", "")


def test_damaged_cifar_files_are_named_and_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    for name in [*(f"data_batch_{index}" for index in range(1, 6)), "test_batch", "batches.meta"]:
        (folder / name).write_bytes(b"not a pickle")
    with pytest.raises(DataError, match="data_batch_1 is damaged or cut short"):
        load(Data(dataset="cifar10", dir=str(tmp_path)), 0, CPU)
    assert (folder / "data_batch_1").read_bytes() == b"not a pickle"


def test_cifar_pixels_and_labels_arrive_in_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from torchvision import datasets

    def write(name: str, content: object) -> str:
        file = tmp_path / "cifar-10-batches-py" / name
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(pickle.dumps(content))
        return hashlib.md5(file.read_bytes()).hexdigest()

    pixels = np.random.default_rng(0).integers(0, 256, (20, 3072), dtype=np.uint8)
    md5 = write("some", {"data": pixels, "labels": [index % 10 for index in range(20)]})
    monkeypatch.setattr(datasets.CIFAR10, "train_list", [["some", md5]])
    monkeypatch.setattr(datasets.CIFAR10, "test_list", [["some", md5]])
    meta = {**datasets.CIFAR10.meta, "md5": write("batches.meta", {"label_names": []})}
    monkeypatch.setattr(datasets.CIFAR10, "meta", meta)
    data = load(Data(dataset="cifar10", dir=str(tmp_path), normalize=False), 0, CPU)
    assert torch.equal(images(data.test), torch.from_numpy(pixels.reshape(20, 3, 32, 32)))
    assert data.test.labels.tolist() == [index % 10 for index in range(20)]
    assert len(data.train) == 18


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None: ...


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    folder = tmp_path / "server"
    folder.mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder))) as http:
        thread = threading.Thread(target=http.serve_forever, args=(0.01,))
        thread.start()
        yield folder, f"http://127.0.0.1:{http.server_port}/"
        http.shutdown()
        thread.join()


FILES = [f"{part}-{kind}-ubyte" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")]


def tiny(folder: Path, mirror: str) -> Any:
    """A data set like MNIST with two images per split; its archives are in `folder`."""
    from torchvision import datasets

    resources = []
    for name in FILES:
        header = [2, 28, 28] if "images" in name else [2]
        content = bytes([0, 0, 8, len(header)]) + b"".join(size.to_bytes(4, "big") for size in header)
        content += bytes(2 * 28 * 28 if "images" in name else 2)
        (folder / f"{name}.gz").write_bytes(gzip.compress(content))
        resources.append((f"{name}.gz", hashlib.md5((folder / f"{name}.gz").read_bytes()).hexdigest()))
    return type("Tiny", (datasets.MNIST,), {"mirrors": [mirror], "resources": resources})


def bring(source: Any, root: Path, progress: Any = quiet) -> None:
    files = [f"Tiny/raw/{name}" for name in FILES]
    download_missing("tiny", source, root, files, [f"{file}.gz" for file in files], progress)


def test_only_missing_files_are_downloaded(
    server: tuple[Path, str], tmp_path: Path, capfd: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    mine = tmp_path / "data/Tiny/raw" / FILES[0]
    mine.parent.mkdir(parents=True)
    mine.write_bytes(b"mine")
    reports: list[tuple[str, float | None]] = []
    source = tiny(*server)
    capfd.readouterr()
    bring(source, tmp_path / "data", lambda *report: reports.append(report))
    assert mine.read_bytes() == b"mine"
    assert len(source(tmp_path / "data", train=False)) == 2
    assert sorted(file.name for file in mine.parent.iterdir()) == sorted(FILES)
    assert [entry.name for entry in (tmp_path / "data").iterdir()] == ["Tiny"]
    assert reports[0] == ("downloading tiny", None)
    assert any(fraction == 1 for _, fraction in reports)
    assert capfd.readouterr() == ("", "")


def test_existing_archives_need_no_network(tmp_path: Path) -> None:
    raw = tmp_path / "Tiny/raw"
    raw.mkdir(parents=True)
    source = tiny(raw, NOBODY)
    bring(source, tmp_path)
    assert len(source(tmp_path)) == 2


def test_a_failed_download_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with pytest.raises(DataError, match="Connection refused"):
        bring(tiny(tmp_path, NOBODY), tmp_path / "data")
    assert not (tmp_path / "data").exists()
