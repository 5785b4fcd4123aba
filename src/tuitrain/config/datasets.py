"""Describe the built-in data sets without reading them, and compute the sizes of splits."""

import math
import os
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

# The fraction of the images that a data set without a test split gets as one.
TEST_FRACTION = 0.2


class DatasetInfo(Struct, frozen=True):
    """A data set: the number of images per split, their `shape` (C, H, W), and the transforms that `auto` means."""

    title: str
    train: int
    test: int
    shape: tuple[int, int, int]
    classes: tuple[str, ...]
    augment: tuple[str, ...]


_NUMERALS = tuple("0123456789")
_CIFAR100 = (
    "apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can castle"
    " caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin elephant"
    " flatfish forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard lobster man"
    " maple_tree motorcycle mountain mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck pine_tree"
    " plain plate poppy porcupine possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk skyscraper"
    " snail snake spider squirrel streetcar sunflower sweet_pepper table tank telephone television tiger tractor train"
    " trout tulip turtle wardrobe whale willow_tree wolf woman worm"
)

# The settings of the place of the images and of how to read them.
DATA_SETTINGS = ("data.dir", "data.labels", "data.storage", "data.cache_gb", "data.workers")
# digits comes without a test split: a fixed, stratified fifth of its images is held out.
DATASETS = {
    "digits": DatasetInfo("8x8 scans of digits, from scikit-learn", 1437, 360, (1, 8, 8), _NUMERALS, ("shift",)),
    "mnist": DatasetInfo("28x28 handwritten digits", 60_000, 10_000, (1, 28, 28), _NUMERALS, ("shift",)),
    "fashion-mnist": DatasetInfo(
        "28x28 pieces of clothing", 60_000, 10_000, (1, 28, 28),
        ("T-shirt", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Boot"),
        ("shift", "flip"),
    ),
    "kmnist": DatasetInfo(
        "28x28 cursive Japanese characters", 60_000, 10_000, (1, 28, 28),
        ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"), ("shift",),
    ),
    "cifar10": DatasetInfo(
        "32x32 color photographs", 50_000, 10_000, (3, 32, 32),
        ("plane", "car", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"), ("flip", "crop"),
    ),
    "cifar100": DatasetInfo(
        "32x32 color photographs, 100 classes", 50_000, 10_000, (3, 32, 32), tuple(_CIFAR100.split()),
        ("flip", "crop"),
    ),
}  # fmt: skip


def data_folder(dir: str | None) -> Path:
    """Return the folder that the setting `data.dir` names; None: a folder in the user's cache."""
    import platformdirs

    if dir:
        return Path(os.path.expanduser(dir))  # noqa: PTH111 (Path.expanduser refuses an unknown user)
    return platformdirs.user_cache_path("tuitrain", appauthor=False) / "data"


def held_out_counts(counts: Sequence[int], fraction: float) -> list[int]:
    """Return how many of the `counts` images of each class to hold out, by largest remainder. They add up to
    ceil(fraction * N), except that every class keeps an image."""
    quotas = [fraction * count for count in counts]
    # fraction * count may miss the integer that it stands for by a rounding error.
    held_out = [math.floor(quota + 1e-9) for quota in quotas]
    missing = math.ceil(fraction * sum(counts) - 1e-9) - sum(held_out)
    for index in sorted(range(len(counts)), key=lambda index: held_out[index] - quotas[index]):
        if missing > 0 and held_out[index] < counts[index] - 1:
            held_out[index] += 1
            missing -= 1
    return held_out
