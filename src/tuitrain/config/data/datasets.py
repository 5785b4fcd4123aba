"""Describe the built-in data sets without reading them, and compute the sizes of splits."""

import math
import os
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

# The fraction of the images that a data set without a test split gets as one.
TEST_FRACTION = 0.2


class DatasetInfo(Struct, frozen=True):
    """A data set: the number of images per split, their `shape` (C, H, W), and the transforms that `auto` means.

    `place` is a file or folder in `data.dir`, `download` the size of the download if it is known, and `licence` what
    `page` allows, empty if it names no licence. digits is built in and has none of them.
    """

    title: str
    train: int
    test: int
    shape: tuple[int, int, int]
    classes: tuple[str, ...]
    augment: tuple[str, ...]
    place: str = ""
    page: str = ""
    download: str = ""
    licence: str = ""


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
DATA_SETTINGS = ("data.dir", "data.labels", "data.exclude", "data.storage", "data.cache_gb", "data.workers")
# digits comes without a test split: a fixed, stratified fifth of its images is held out.
DATASETS = {
    "digits": DatasetInfo("8x8 scans of digits, from scikit-learn", 1437, 360, (1, 8, 8), _NUMERALS, ("shift",)),
    "mnist": DatasetInfo(
        "28x28 handwritten digits", 60_000, 10_000, (1, 28, 28), _NUMERALS, ("shift",), "MNIST/raw",
        "http://yann.lecun.com/exdb/mnist/", "12 MB",
    ),
    "fashion-mnist": DatasetInfo(
        "28x28 pieces of clothing", 60_000, 10_000, (1, 28, 28),
        ("T-shirt", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Boot"),
        ("shift", "flip"), "FashionMNIST/raw", "https://github.com/zalandoresearch/fashion-mnist", "31 MB",
        "MIT",
    ),
    "kmnist": DatasetInfo(
        "28x28 cursive Japanese characters", 60_000, 10_000, (1, 28, 28),
        ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"), ("shift",), "KMNIST/raw",
        "https://github.com/rois-codh/kmnist", "21 MB", "CC BY-SA 4.0",
    ),
    "cifar10": DatasetInfo(
        "32x32 color photographs", 50_000, 10_000, (3, 32, 32),
        ("plane", "car", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"), ("flip", "crop"),
        "cifar-10-batches-py", "https://www.cs.toronto.edu/~kriz/cifar.html", "170 MB",
    ),
    "cifar100": DatasetInfo(
        "32x32 color photographs, 100 classes", 50_000, 10_000, (3, 32, 32), tuple(_CIFAR100.split()),
        ("flip", "crop"), "cifar-100-python", "https://www.cs.toronto.edu/~kriz/cifar.html", "169 MB",
    ),
    "svhn": DatasetInfo(
        "32x32 house numbers, by their middle digit", 73_257, 26_032, (3, 32, 32), _NUMERALS, ("shift",),
        "train_32x32.mat", "http://ufldl.stanford.edu/housenumbers/", "246 MB", "non-commercial use",
    ),
    "stl10": DatasetInfo(
        "96x96 color photographs; the unlabelled ones are not used", 5000, 8000, (3, 96, 96),
        ("airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck"), ("flip", "crop"),
        "stl10_binary/train_X.bin", "https://cs.stanford.edu/~acoates/stl10/", "2.6 GB",
    ),
    "usps": DatasetInfo(
        "16x16 handwritten digits of postal codes", 7291, 2007, (1, 16, 16), _NUMERALS, ("shift",), "usps.bz2",
        "https://www.csie.ntu.edu.tw/~cjlin/libsvmtools/datasets/multiclass.html#usps",
    ),
}  # fmt: skip


def _emnist(split: str, title: str, train: int, test: int, classes: str) -> DatasetInfo:
    """Describe one of the six overlapping data sets of EMNIST, which are downloaded together."""
    place = f"EMNIST/raw/emnist-{split}-train-images-idx3-ubyte"
    page = "https://www.nist.gov/itl/products-and-services/emnist-dataset"
    return DatasetInfo(title, train, test, (1, 28, 28), tuple(classes), ("shift",), place, page, "562 MB")


_LETTERS = "abcdefghijklmnopqrstuvwxyz"
# Lower-case letters that EMNIST does not merge with capital ones.
_MERGED = f"0123456789{_LETTERS.upper()}abdefghnqrt"
DATASETS |= {
    "emnist-balanced": _emnist("balanced", "28x28 digits and letters, equally many", 112_800, 18_800, _MERGED),
    "emnist-letters": _emnist("letters", "28x28 letters, capital and small together", 88_800, 14_800, _LETTERS),
    "emnist-digits": _emnist("digits", "28x28 handwritten digits", 240_000, 40_000, "0123456789"),
    "emnist-mnist": _emnist("mnist", "28x28 handwritten digits, as many as MNIST", 60_000, 10_000, "0123456789"),
    "emnist-bymerge": _emnist("bymerge", "28x28 digits and letters, alike ones merged", 697_932, 116_323, _MERGED),
    "emnist-byclass": _emnist(
        "byclass", "28x28 digits and letters", 697_932, 116_323, f"0123456789{_LETTERS.upper()}{_LETTERS}"
    ),
}


def found_in(dir: str | None, place: str) -> Path | None:
    """Return the folder that contains `place`, a file or a folder that is not empty. Search `data.dir`, or if it is
    None, the caches of tuitrain and torchvision. Return None if none of them contains it."""
    home = Path(os.path.expanduser("~/.cache"))  # noqa: PTH111
    torch_home = Path(os.environ.get("TORCH_HOME") or home / "torch")
    roots: list[Path] = [data_folder(dir)]
    if not dir:
        roots += [torch_home, torch_home / "datasets", home / "torchvision"]
    for root in roots:
        try:
            if (root / place).is_file() or any((root / place).iterdir()):
                return root
        except OSError:
            continue
    return None


def data_folder(dir: str | None) -> Path:
    """Return the folder that the setting `data.dir` names; None: a folder in the user's cache."""
    if dir:
        return Path(os.path.expanduser(dir))  # noqa: PTH111 (Path.expanduser refuses an unknown user)
    return user_cache() / "data"


def user_cache() -> Path:
    """Return tuitrain's folder in the user's cache."""
    import platformdirs

    return platformdirs.user_cache_path("tuitrain", appauthor=False)


def part_counts(counts: Sequence[int], fraction: float) -> list[int]:
    """Return a `fraction` of the `counts` of images per class, rounded, at least one."""
    # fraction * count may have a rounding error.
    return [min(count, max(1, math.floor(fraction * count + 0.5 + 1e-9))) for count in counts]


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
