"""Small copies of data sets as torchvision lays them out on the disk."""

import bz2
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from scipy.io import savemat

from tuitrain.config.data.schema import Data
from tuitrain.config.schema import Config
from tuitrain.config.values import override

Write = Callable[[Path], None]

ROWS = np.random.default_rng(0)


def picture(path: Path, shade: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(ROWS.integers(0, 255, (12, 10 + shade % 3, 3), dtype=np.uint8)).save(path)


def lines(path: Path, *texts: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{text}\n" for text in texts))


def imagenette(root: Path) -> None:
    for split, wnid, count in (("train", "n02102040", 6), ("train", "n01440764", 7), ("val", "n01440764", 2)):
        for number in range(count):
            picture(root / f"imagenette2/{split}/{wnid}/{wnid}_{number}.JPEG", number)


def pets(root: Path) -> None:
    rows = [("yorkshire_terrier_2", 2), ("Abyssinian_1", 1), ("Abyssinian_3", 1), ("yorkshire_terrier_4", 2)] * 2
    for split, offset in (("trainval", 0), ("test", 10)):
        names = [(f"{name.rpartition('_')[0]}_{number + offset}", label) for number, (name, label) in enumerate(rows)]
        lines(root / f"oxford-iiit-pet/annotations/{split}.txt", *(f"{name} {label} 1 1" for name, label in names))
        for name, _ in names:
            picture(root / f"oxford-iiit-pet/images/{name}.jpg")


def flowers(root: Path) -> None:
    folder = root / "flowers-102"
    for image in range(1, 13):
        picture(folder / f"jpg/image_{image:05d}.jpg")
    savemat(folder / "imagelabels.mat", {"labels": np.array([[1, 102, 1, 102, 3, 3, 1, 102, 3, 1, 102, 3]])})
    savemat(folder / "setid.mat", {"trnid": [[1, 2, 3, 4, 5, 6]], "valid": [[7, 8, 9]], "tstid": [[10, 11, 12]]})


def food(root: Path) -> None:
    for split, count in (("train", 4), ("test", 2)):
        lists = {name: [f"{name}/{split}{number}" for number in range(count)] for name in ("waffles", "apple_pie")}
        lines(root / f"food-101/meta/{split}.json", json.dumps(lists))
        for images in lists.values():
            for image in images:
                picture(root / f"food-101/images/{image}.jpg")


def folders(*places: str, count: int = 5) -> Write:
    def write(root: Path) -> None:
        for place in places:
            for number in range(1, count + 1):
                picture(root / place.format(number), number)

    return write


def gtsrb(root: Path) -> None:
    folder = root / "gtsrb"
    folders("gtsrb/GTSRB/Training/00000/{:05d}.ppm", "gtsrb/GTSRB/Training/00001/{:05d}.ppm")(root)
    folders("gtsrb/GTSRB/Final_Test/Images/{:05d}.ppm", count=2)(root)
    lines(folder / "GT-final_test.csv", "Filename;Width;ClassId", "00001.ppm;12;1", "00002.ppm;12;0")


def dtd(root: Path) -> None:
    for split, count in (("train", 3), ("val", 2), ("test", 1)):
        names = [f"{texture}/{texture}_{split}{n}.jpg" for texture in ("zigzagged", "banded") for n in range(count)]
        lines(root / f"dtd/dtd/labels/{split}1.txt", *names)
        for name in names:
            picture(root / f"dtd/dtd/images/{name}")


def aircraft(root: Path) -> None:
    data = root / "fgvc-aircraft-2013b/data"
    lines(data / "variants.txt", "707-320", "Boeing 717")
    for split, first in (("train", 0), ("val", 10), ("test", 20)):
        rows = [f"{first + number:07d} {('707-320', 'Boeing 717')[number % 2]}" for number in range(4)]
        lines(data / f"images_variant_{split}.txt", *rows)
        for row in rows:
            picture(data / f"images/{row.split()[0]}.jpg")


# The files, the arguments of torchvision's class for training, validation and test; None: held out.
PHOTOS: dict[str, tuple[Write, list[dict[str, str] | None]]] = {
    "imagenette": (imagenette, [{"split": "train"}, None, {"split": "val"}]),
    "oxford-pets": (pets, [{"split": "trainval"}, None, {"split": "test"}]),
    "flowers102": (flowers, [{"split": "train"}, {"split": "val"}, {"split": "test"}]),
    "food101": (food, [{"split": "train"}, None, {"split": "test"}]),
    "eurosat": (folders("eurosat/2750/Forest/Forest_{}.jpg", "eurosat/2750/River/River_{}.jpg"), [{}, None, None]),
    "gtsrb": (gtsrb, [{"split": "train"}, None, {"split": "test"}]),
    "dtd": (dtd, [{"split": "train"}, {"split": "val"}, {"split": "test"}]),
    "fgvc-aircraft": (aircraft, [{"split": "train"}, {"split": "val"}, {"split": "test"}]),
    "caltech101": (
        folders(*(f"caltech101/101_ObjectCategories/{name}/image_{{:04d}}.jpg" for name in ("ant", "BACKGROUND_Google", "wrench"))),  # noqa: E501
        [{}, None, None],
    ),
    "caltech256": (
        folders("caltech256/256_ObjectCategories/001.ak47/001_{:04d}.jpg", "caltech256/256_ObjectCategories/002.flag/002_{:04d}.jpg"),  # noqa: E501
        [{}, None, None],
    ),
    "country211": (
        folders(*(f"country211/{split}/{name}/{{}}.jpg" for split in ("train", "valid", "test") for name in ("AD", "ZA"))),  # noqa: E501
        [{"split": "train"}, {"split": "valid"}, {"split": "test"}],
    ),
    "rendered-sst2": (
        folders(*(f"rendered-sst2/{split}/{name}/{{}}.png" for split in ("train", "valid", "test") for name in ("positive", "negative"))),  # noqa: E501
        [{"split": "train"}, {"split": "val"}, {"split": "test"}],
    ),
}  # fmt: skip


def data(name: str, root: Path, *settings: str) -> Data:
    return override(Config(), [f"data.dataset={name}", f"data.dir={root}", "data.image_size=8", *settings]).data


def idx(path: Path, values: "np.ndarray[Any, Any]") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    head = bytes([0, 0, 8, values.ndim]) + b"".join(size.to_bytes(4, "big") for size in values.shape)
    path.write_bytes(head + values.astype(np.uint8).tobytes())


def svhn(root: Path) -> None:
    for split, count in (("train", 30), ("test", 10)):
        labels = np.arange(count).reshape(-1, 1) % 10 + 1
        savemat(root / f"{split}_32x32.mat", {"X": ROWS.integers(0, 255, (32, 32, 3, count), np.uint8), "y": labels})


def stl10(root: Path) -> None:
    (root / "stl10_binary").mkdir()
    for split, count in (("train", 20), ("test", 10)):
        (root / f"stl10_binary/{split}_X.bin").write_bytes(ROWS.integers(0, 255, count * 27648, np.uint8).tobytes())
        (root / f"stl10_binary/{split}_y.bin").write_bytes(bytes(number % 10 + 1 for number in range(count)))
    for name in ("unlabeled_X.bin", "fold_indices.txt", "class_names.txt"):
        (root / f"stl10_binary/{name}").write_bytes(b"")


def usps(root: Path) -> None:
    for file, count in (("usps.bz2", 20), ("usps.t.bz2", 10)):
        rows = [
            f"{number % 10 + 1} " + " ".join(f"{k + 1}:{value:.3f}" for k, value in enumerate(ROWS.uniform(-1, 1, 256)))
            for number in range(count)
        ]
        (root / file).write_bytes(bz2.compress("".join(f"{row}\n" for row in rows).encode()))


def emnist(split: str, first: int, classes: int) -> Write:
    def write(root: Path) -> None:
        for part, count in (("train", 2 * classes), ("test", classes)):
            prefix = root / f"EMNIST/raw/emnist-{split}-{part}"
            idx(Path(f"{prefix}-images-idx3-ubyte"), ROWS.integers(0, 255, (count, 28, 28)))
            idx(Path(f"{prefix}-labels-idx1-ubyte"), np.arange(count) % classes + first)

    return write


ARRAYS: dict[str, Write] = {
    "svhn": svhn, "stl10": stl10, "usps": usps, "emnist-letters": emnist("letters", 1, 26),
    "emnist-balanced": emnist("balanced", 0, 47), "emnist-byclass": emnist("byclass", 0, 62),
}  # fmt: skip
