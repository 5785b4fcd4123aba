"""How many images a run will have, counted without torch."""

import math
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from msgspec import Struct

from tuitrain.config.datasets import DATASETS
from tuitrain.config.schema import Data
from tuitrain.errors import ConfigError, DataError
from tuitrain.text import plain

# Where torchvision keeps a data set below data.dir.
FOLDERS = {
    "mnist": "MNIST/raw", "fashion-mnist": "FashionMNIST/raw", "kmnist": "KMNIST/raw",
    "cifar10": "cifar-10-batches-py", "cifar100": "cifar-100-python",
}  # fmt: skip
IMAGES = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")
TEST_FRACTION = 0.2
MOST_FILES, MOST_SECONDS = 100_000, 5.0


class SplitSizes(Struct, frozen=True):
    """How many images there are of what `shape` (C, H, W); `place` says where, `partly` that not all were counted."""

    train: int
    validation: int
    test: int
    shape: tuple[int, int, int]
    classes: int
    location: str
    truncated: bool = False
    samples: tuple[str, ...] = ()


def split_sizes(data: Data) -> SplitSizes:
    """Without torch. Raises DataError where there is no folder of images to look into."""
    if data.dataset == "image-folder":
        return _image_folder(data)
    facts = DATASETS[data.dataset]
    classes = len(facts.classes)
    counts = [len(range(label, facts.train, classes)) for label in range(classes)]
    validation = sum(held_out_counts(counts, data.validation))
    place = "built in" if data.dataset == "digits" else _place(data)
    return SplitSizes(facts.train - validation, validation, facts.test, facts.shape, classes, place)


def held_out_counts(counts: Sequence[int], fraction: float) -> list[int]:
    """How many images of each class are held out, as training does it."""
    quotas = [fraction * count for count in counts]
    held = [math.floor(quota + 1e-9) for quota in quotas]
    missing = math.ceil(fraction * sum(counts) - 1e-9) - sum(held)
    for index in sorted(range(len(counts)), key=lambda index: held[index] - quotas[index]):
        if missing > 0 and held[index] < counts[index] - 1:
            held[index] += 1
            missing -= 1
    return held


def data_folder(data: Data) -> Path:
    import platformdirs

    if data.dir is not None:
        return Path(data.dir).expanduser()
    return platformdirs.user_cache_path("tuitrain", appauthor=False) / "data"


def _place(data: Data) -> str:
    root, inside = data_folder(data), FOLDERS[data.dataset]
    try:
        found = any((root / inside).iterdir())
    except OSError:
        found = False
    return f"found in {_home(root)}" if found else f"will be downloaded to {_home(root)}"


def _home(path: Path) -> str:
    home = Path.home()
    return plain(f"~/{path.relative_to(home)}" if path.is_relative_to(home) else path)


def _image_folder(data: Data) -> SplitSizes:
    if data.dir is None:
        raise ConfigError("image-folder needs the folder of your images.", key="data.dir")
    root = data_folder(data)
    names = _folders(root)
    split = "train" in names and bool(_folders(root / "train"))
    count = _Count(time.monotonic() + MOST_SECONDS)
    train = count.classes(root / "train" if split else root)
    if len(train) < 2:
        raise DataError(f"{_home(root)} has no folders of images, one for each class.")
    test = count.classes(root / "test") if split and "test" in names else None
    held = next((name for name in ("val", "valid", "validation") if split and name in names), None)
    validation = count.classes(root / held) if held and data.validation else None
    if test is None:
        test = held_out_counts(train, TEST_FRACTION)
        train = [all_ - some for all_, some in zip(train, test, strict=True)]
    if validation is None:
        validation = held_out_counts(train, data.validation)
        train = [all_ - some for all_, some in zip(train, validation, strict=True)]
    shape = (1 if data.channels == "grey" else 3, data.image_size, data.image_size)
    place = f"found in {_home(root)}, {len(train):,} classes"
    return SplitSizes(
        sum(train), sum(validation), sum(test), shape, len(train), place, count.over, tuple(count.samples[::10][:64])
    )


def _folders(root: Path) -> list[str]:
    try:
        return sorted(entry.name for entry in os.scandir(root) if entry.is_dir() and not entry.name.startswith("."))
    except OSError as error:
        raise DataError(f"{plain(error.strerror)}: {_home(root)}.") from None


class _Count:
    """Counts images until there are very many, or it has taken long."""

    def __init__(self, until: float) -> None:
        self.until, self.over = until, False
        self.samples: list[str] = []

    def classes(self, root: Path) -> list[int]:
        return [sum(1 for _ in self._images(root / name)) for name in _folders(root)]

    def _images(self, folder: Path) -> Iterator[str]:
        for parent, folders, files in os.walk(folder):
            folders[:] = [name for name in folders if not name.startswith(".")]
            for name in files:
                if len(self.samples) >= MOST_FILES or time.monotonic() > self.until:
                    self.over = True
                    return
                if name.lower().endswith(IMAGES) and not name.startswith("."):
                    self.samples.append(f"{parent}/{name}")
                    yield name
