"""Data sets from the user's files."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tuitrain.config.data.schema import Data
from tuitrain.config.schema import Config
from tuitrain.config.values import override
from tuitrain.errors import DataError
from tuitrain.hosts.evaluate import evaluate_checkpoint
from tuitrain.runs.folder import RunFolder
from tuitrain.training.data.dataset import Dataset
from tuitrain.training.data.load import load

CPU = torch.device("cpu")
HEAD = """
import numpy, torch
from PIL import Image
from torch.utils.data import Dataset
grey = torch.arange(40 * 64).remainder(251).to(torch.uint8).view(40, 8, 8)
labels = torch.arange(40) % 2

class Items(Dataset):
    def __init__(self, make, count=40, label=lambda row: row % 2):
        self.make, self.count, self.label = make, count, label
    def __len__(self):
        return self.count
    def __getitem__(self, row):
        return self.make(row), self.label(row)
"""


def dataset(folder: Path, body: str, *settings: str) -> Data:
    file = folder / "mine.py"
    file.write_text(f"{HEAD}\ndef data(dir=None, seed=0):\n    {body}\n")
    return override(Config(), [f"data.dataset={file}:data", *settings]).data


def loaded(folder: Path, body: str, *settings: str) -> Dataset:
    return load(dataset(folder, body, *settings), 0, CPU)


def returning(train: str, rest: str = "") -> str:
    return f'return {{"train": {train}, "classes": ["a", "b"]{rest}}}'


@pytest.mark.parametrize(
    "train",
    [
        "(grey, labels)",
        "(grey.numpy(), labels.numpy())",
        "(grey.unsqueeze(1), labels)",
        "Items(lambda row: grey[row])",
        "Items(lambda row: grey[row].unsqueeze(0))",
        "Items(lambda row: grey[row].numpy())",
        "Items(lambda row: grey[row].numpy()[..., None])",
        "Items(lambda row: Image.fromarray(grey[row].numpy()))",
        "Items(lambda row: grey[row], label=lambda row: torch.tensor(row % 2))",
        "Items(lambda row: grey[row], label=lambda row: numpy.int64(row % 2))",
    ],
)
def test_images_and_labels_in_any_form_are_the_same_data(tmp_path: Path, train: str) -> None:
    found, wanted = (loaded(tmp_path, returning(body)) for body in (train, "(grey, labels)"))
    assert found.shape == (1, 8, 8)
    assert found.classes == ("a", "b")
    for split in ("train", "validation", "test"):
        one, other = getattr(found, split), getattr(wanted, split)
        assert one.fingerprint == other.fingerprint
        assert torch.equal(one.labels, other.labels)
    assert (len(found.train), len(found.test)) == (28, 8)
    assert "8 images are held out for the test" in found.notes[0]


def test_colors_and_floats_are_kept(tmp_path: Path) -> None:
    color = loaded(tmp_path, returning("Items(lambda row: Image.new('RGBA', (5, 4), (row, 0, 255)))"))
    assert color.shape == (3, 4, 5)
    body = returning("Items(lambda row: torch.full((2, 3, 3), 1000.0 + row))")
    floats = loaded(tmp_path, body, "data.normalize=false")
    images, _ = next(iter(floats.train.batches(torch.arange(5), 5)))
    assert images.dtype == torch.float32
    assert images.min() >= 1000
    normalized = loaded(tmp_path, body)
    images, _ = next(iter(normalized.train.batches(torch.arange(28), 28)))
    if images.abs().max() > 100:  # not yet normalized: the loop does that
        images = (images - torch.tensor(normalized.mean).view(-1, 1, 1)) / torch.tensor(normalized.std).view(-1, 1, 1)
    assert images.mean().abs() < 1e-3
    assert 0.9 < images.std() < 1.1


def test_all_splits_of_the_function_are_used(tmp_path: Path) -> None:
    rest = ', "validation": (grey[:6], labels[:6]), "test": (grey[:4], labels[:4])'
    found = loaded(tmp_path, returning("(grey[6:], labels[6:])", rest))
    assert (len(found.train), len(found.validation or ()), len(found.test)) == (34, 6, 4)
    without = loaded(tmp_path, returning("(grey[6:], labels[6:])", rest), "data.validation=0")
    assert (len(without.train), without.validation) == (34, None)


def test_the_function_gets_what_it_asks_for(tmp_path: Path) -> None:
    body = 'assert (dir, seed) == ("/some/place", 0)\n    ' + returning("(grey, labels)")
    loaded(tmp_path, body, "data.dir=/some/place")
    file = tmp_path / "mine.py"
    file.write_text(f"{HEAD}\ndef data(seed):\n    assert seed == 0\n    {returning('(grey, labels)')}\n")
    load(override(Config(), [f"data.dataset={file}:data"]).data, 0, CPU)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("return 3", r'returned a int, but must return \{"train"'),
        ('return {"test": (grey, labels), "classes": "ab"}', "returned no train"),
        (returning("(grey, labels)", ', "tset": 3'), "returned the unknown key tset"),
        ('return {"train": (grey, labels)}', "at least two class names as classes, not None"),
        ('return {"train": (grey, labels), "classes": ["a"]}', r"at least two class names as classes, not \['a'\]"),
        ('return {"train": (grey, labels), "classes": ["a", "a"]}', "the class a twice"),
        ("1 / 0", r"ZeroDivisionError: division by zero \(mine\.py, line \d+: 1 / 0\)"),
        ("raise SystemExit", r"raised SystemExit \(mine\.py"),
        # Python 3.13.0 does not limit the recursion of a function whose arguments have defaults, such as data.
        ("again = lambda: again(); again()", r"raised RecursionError: .* \(mine\.py, line \d+: again = lambda"),
        (returning("3"), r"length of train of data of \S+ raised TypeError"),
        (returning("{1, 2}"), "is a set, but must have a torch Dataset"),
        (returning("(grey[:0], labels[:0])"), "The split train of .* has no images"),
        (returning("(grey, labels)", ', "test": Items(None, 0)'), "The split test of .* has no images"),
        (returning("(grey, labels[:7])"), "has 40 images and labels \\(7,\\), but must have one label per image"),
        (returning("(grey, labels * 0.5)"), r"has torch\.float32 labels, but must have whole numbers"),
        (returning("(grey, labels + 1)"), "The label of image 1 of train of .* is 2, and there are 2 classes"),
        (returning("(grey, labels - 1)"), "The label of image 0 of train of .* is -1"),
        (returning("(grey[0], labels)"), r"has images \(8, 8\), but must have \(N, C, H, W\)"),
        (returning("(grey.long(), labels)"), r"has torch\.int64 images, but must have uint8 or floating-point ones"),
        (returning("(grey / 0.0, labels)"), "Image 0 of train of .* contains NaN or infinity"),
        (returning("Items(lambda row: grey[row, : 8 - row // 39])"), r"Image 39 of train .* is torch\.uint8 \(1, 7, 8\), and image 0 is"),  # noqa: E501
        (returning("Items(lambda row: row)"), "has a int as image 0, but must have a Pillow image"),
        (returning("Items(lambda row: Image.new('F', (3, 3)))"), "has an image of mode F as item 0"),
        (returning("Items(lambda row: grey[row], label=lambda row: 'cat')"), "has the label cat for image 0"),
        (returning("Items(lambda row: grey[row], label=lambda row: 0.5)"), r"has the label 0\.5 for image 0"),
        (returning("Items(lambda row: grey[row], label=lambda row: 10**30)"), "and there are 2 classes"),
        (returning("Items(lambda row: 1 // (row - 3) and grey[row])"), r"Reading image 3 of train .* ZeroDivisionError: .* \(mine\.py, line \d+: def data|Reading image 3 of train .* ZeroDivisionError: .* \(mine\.py"),  # noqa: E501
        (returning("[(1, 2, 3)] * 5"), "has a tuple as item 0, but must have \\(image, label\\)"),
        (returning("(grey, labels)", ', "test": (grey[:, :7], labels)'), r"The test images .* are torch\.uint8 \(1, 7, 8\), and the training images are"),  # noqa: E501
        (returning("(grey[:2], labels[:2])"), "too few images, 2, to hold some out"),
    ],
)  # fmt: skip
def test_hostile_data_is_one_sentence(tmp_path: Path, body: str, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        loaded(tmp_path, body)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 1000


def test_a_run_resumes_exactly_on_its_copy(
    tmp_path: Path, interrupted: Callable[[Config, str], tuple[RunFolder, RunFolder]], monkeypatch: pytest.MonkeyPatch
) -> None:
    from tuitrain.training import checkpoint

    monkeypatch.setattr("tuitrain.training.loop.POLL_INTERVAL", 0)
    name = dataset(tmp_path, returning("Items(lambda row: Image.fromarray(grey[row].numpy()))")).dataset
    quick = ("training.device=cpu", "training.threads=1", "training.epochs=3", "data.batch_size=8", "model.hidden=[8]")
    whole, cut = interrupted(override(Config(), [*quick, f"data.dataset={name}"]), "data")
    first, second = (checkpoint.load(run.checkpoints / "last.safetensors")["model"] for run in (whole, cut))
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert whole.info().classes == ["a", "b"]
    (tmp_path / "mine.py").write_text("raise SystemExit\n")
    assert evaluate_checkpoint(cut, "test", "last", "cpu", lambda *_: None).fingerprint


RANDOM = "Items(lambda row: Image.fromarray(grey[row].numpy() // (1 + numpy.random.randint(9))))"


def test_a_dataset_can_be_called_for_every_batch(tmp_path: Path) -> None:
    found = loaded(tmp_path, returning(RANDOM), "data.storage=stream")
    memory = loaded(tmp_path, returning("Items(lambda row: grey[row])"))
    assert torch.equal(found.train.labels, memory.train.labels)
    assert (len(found.train), len(found.validation or ()), len(found.test)) == (28, 4, 8)

    def images(order: torch.Tensor) -> torch.Tensor:
        return torch.cat([batch for batch, _ in found.train.batches(order, 7)])

    state = torch.get_rng_state()
    once, again, other = images(torch.arange(28)), images(torch.arange(28)), images(torch.arange(28).flip(0)).flip(0)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(once, again)  # A resumed epoch draws the same numbers,
    assert not torch.equal(once, other)  # and another epoch others.
    assert once.dtype == torch.uint8


@pytest.mark.parametrize(
    ("items", "message"),
    [
        ("Items(lambda row: grey[row, : 8 - row % 3])", "have several sizes or types"),
        ("Items(lambda row: grey[row], label=lambda row: row)", "is 39, and there are 2 classes"),
        ("Items(lambda row: 1 // (row - 7) and grey[row])", r"Reading image 7 of train .* \(mine\.py, line"),
    ],
)
def test_hostile_items_of_a_stream_are_one_sentence(tmp_path: Path, items: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        loaded(tmp_path, returning(items), "data.storage=stream")


def test_a_streamed_run_with_random_items_resumes_exactly(
    tmp_path: Path, interrupted: Callable[[Config, str], tuple[RunFolder, RunFolder]], monkeypatch: pytest.MonkeyPatch
) -> None:
    from tuitrain.training import checkpoint

    monkeypatch.setattr("tuitrain.training.loop.POLL_INTERVAL", 0)
    name = dataset(tmp_path, returning(RANDOM)).dataset
    quick = ("training.device=cpu", "training.threads=1", "training.epochs=3", "data.batch_size=8", "model.hidden=[8]")
    config = override(Config(), [*quick, "data.storage=stream", f"data.dataset={name}"])
    whole, cut = interrupted(config, "stream")
    first, second = (checkpoint.load(run.checkpoints / "last.safetensors")["model"] for run in (whole, cut))
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_a_run_refuses_other_classes(tmp_path: Path) -> None:
    from tuitrain.runs.records import RunInfo

    before = RunInfo(id="", name="", shape=(1, 8, 8), classes=["x", "y"], mean=[0.5], std=[0.5])
    with pytest.raises(DataError, match="The run knows the classes x, y and images"):
        load(dataset(tmp_path, returning("(grey, labels)")), 0, CPU, before=before)


def test_the_example_of_the_documentation_works() -> None:
    example = Path(__file__).parents[4] / "examples/my_dataset.py"
    found = load(override(Config(), [f"data.dataset={example}:digits"]).data, 0, CPU)
    assert (len(found.train) + len(found.validation or ()), len(found.test)) == (1400, 397)


def test_folds_and_fractions_of_the_users_images(tmp_path: Path) -> None:
    parts = '"train": (grey, labels), "validation": (grey[:4], labels[:4]), "test": (grey, labels)'
    body = f'return {{{parts}, "classes": ["a", "b"]}}'
    own = dataset(tmp_path, body, "data.fold=1/4")
    first = load(own, 0, CPU)
    assert first.validation is not None
    assert (len(first.train), len(first.validation)) == (30, 10)
    assert any("not used, because data.fold = 1/4" in note for note in first.notes)
    half = load(dataset(tmp_path, body, "data.fraction=0.5"), 0, CPU)
    assert half.validation is not None
    assert (len(half.train), len(half.validation), len(half.test)) == (20, 4, 40)
    assert half.train.labels.bincount().tolist() == [10, 10]
