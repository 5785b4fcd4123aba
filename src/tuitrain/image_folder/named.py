"""Find the images, classes and splits of a data set in the folders that torchvision unpacks.

The order of the classes is that of torchvision, so that the indices of the labels are equal.
"""

import csv
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from tuitrain.config.data.datasets import found_in
from tuitrain.config.data.photo_datasets import PHOTO_DATASETS
from tuitrain.config.data.schema import Data
from tuitrain.errors import DataError
from tuitrain.image_folder.flowers import FLOWERS
from tuitrain.image_folder.folder import ImageFolder
from tuitrain.text import plain

# The class and the path of each image of a split.
Rows = Iterable[tuple[str, Path]]
# The names of the classes, and the rows of each split.
Layout = tuple[Sequence[str], dict[str, Rows]]
_HINT = "Delete its folder and start again: tuitrain then downloads it again."
_WNIDS = {
    "n01440764": "tench", "n02102040": "English springer", "n02979186": "cassette player", "n03000684": "chain saw",
    "n03028079": "church", "n03394916": "French horn", "n03417042": "garbage truck", "n03425413": "gas pump",
    "n03445777": "golf ball", "n03888257": "parachute",
}  # fmt: skip


def scan_named(config: Data, stop: Callable[[], bool]) -> ImageFolder:
    """List the images of the data set that `data.dataset` names. Raise DataError if it is missing or damaged."""
    name, root = config.dataset, found_in(config.dir, PHOTO_DATASETS[config.dataset].folder)
    if root is None:
        raise DataError(f"{name} is not in data.dir.", "Start a run, which downloads it, or set data.dir.")
    found = ImageFolder(root)
    try:
        classes, splits = _READERS[PHOTO_DATASETS[name].kind](root / PHOTO_DATASETS[name].folder)
        for split, rows in splits.items():
            found.splits[split] = _by_class(rows, classes, found, stop)
            if found.splits[split] and split != "training":
                found.sources[split] = name
    except Exception as error:  # Readers of damaged files raise many kinds of exceptions.
        reason = plain(error.strerror if isinstance(error, OSError) and error.strerror else error, 120)
        where = plain(getattr(error, "filename", None) or root / PHOTO_DATASETS[name].folder)
        raise DataError(f"The {name} in {where} is damaged: {reason}.", _HINT) from error
    found.classes = tuple(classes)
    if len(found.splits) > 1:
        found.sources["training"] = name
    _check(found, name)
    return found


def _by_class(rows: Rows, classes: Sequence[str], found: ImageFolder, stop: Callable[[], bool]) -> list[list[str]]:
    by_class: dict[str, list[str]] = {name: [] for name in classes}
    missing = []
    for label, path in rows:
        if stop():
            break
        if label not in by_class:
            raise ValueError(f"it has the unknown class {label!r}")
        if path.is_file():
            by_class[label].append(str(path))
        else:
            missing.append(path)
    if missing:
        example = plain(os.path.relpath(missing[0], found.root), 100)
        found.notes.append(f"{len(missing):,} images of the data set are missing, such as {example}")
    return list(by_class.values())


def _check(found: ImageFolder, name: str) -> None:
    for split, by_class in found.splits.items():
        if not any(by_class):
            notes = "".join(f" ({note})" for note in found.notes)
            raise DataError(f"The {split} split of {name} in {plain(found.root)} has no images{notes}.", _HINT)


def _folders(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir() if entry.is_dir())


def _in_folders(folder: Path, classes: Sequence[str], suffix: str) -> Iterator[tuple[str, Path]]:
    """Yield the files with this suffix in the folder of each class, also in subfolders."""
    for name in classes:
        for path in sorted((folder / name).rglob("*")):
            if path.suffix.lower() == suffix:
                yield name, path


def _inside(folder: Path, name: str) -> Path:
    """Return the path of a file that a list names. Raise ValueError if it is not inside the folder."""
    if Path(name).is_absolute() or ".." in Path(name).parts:
        raise ValueError(f"it names the file {name!r}")
    return folder / name


def _lines(path: Path) -> list[str]:
    return [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def _imagenette(folder: Path) -> Layout:
    wnids = _folders(folder / "train")

    def rows(split: str) -> Rows:
        return ((_WNIDS[wnid], path) for wnid, path in _in_folders(folder / split, wnids, ".jpeg"))

    return [_WNIDS[wnid] for wnid in wnids], {"training": rows("train"), "test": rows("val")}


def _pets(folder: Path) -> Layout:
    texts = {split: _lines(folder / f"annotations/{split}.txt") for split in ("trainval", "test")}
    lines = {split: [line.split() for line in text] for split, text in texts.items()}
    breeds = {int(label): _breed(image) for image, label, *_ in lines["trainval"]}

    def rows(split: str) -> Rows:
        return ((breeds[int(label)], _inside(folder / "images", f"{image}.jpg")) for image, label, *_ in lines[split])

    return [breeds[label] for label in sorted(breeds)], {"training": rows("trainval"), "test": rows("test")}


def _breed(image: str) -> str:
    return " ".join(part.title() for part in image.rsplit("_", 1)[0].split("_"))


def _flowers(folder: Path) -> Layout:
    from scipy.io import loadmat

    labels = loadmat(folder / "imagelabels.mat", squeeze_me=True)["labels"].tolist()
    sets = loadmat(folder / "setid.mat", squeeze_me=True)

    def rows(key: str) -> Rows:
        for image in sets[key].tolist():
            yield FLOWERS[labels[image - 1] - 1], folder / f"jpg/image_{image:05d}.jpg"

    return FLOWERS, {"training": rows("trnid"), "validation": rows("valid"), "test": rows("tstid")}


def _food(folder: Path) -> Layout:
    texts = {split: (folder / f"meta/{split}.json").read_text(encoding="utf-8") for split in ("train", "test")}
    lists = {split: json.loads(text) for split, text in texts.items()}

    def rows(split: str) -> Rows:
        for name, images in lists[split].items():
            for image in images:
                yield name, _inside(folder / "images", f"{image}.jpg")

    return sorted(lists["train"]), {"training": rows("train"), "test": rows("test")}


def _eurosat(folder: Path) -> Layout:
    classes = _folders(folder / "2750")
    return classes, {"training": _in_folders(folder / "2750", classes, ".jpg")}


def _gtsrb(folder: Path) -> Layout:
    training, images = folder / "GTSRB/Training", folder / "GTSRB/Final_Test/Images"
    classes = _folders(training)

    def test() -> Rows:
        with (folder / "GT-final_test.csv").open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file, delimiter=";", skipinitialspace=True):
                yield classes[int(row["ClassId"])], _inside(images, row["Filename"])

    return classes, {"training": _in_folders(training, classes, ".ppm"), "test": test()}


def _dtd(folder: Path) -> Layout:
    lists = {split: _lines(folder / f"dtd/labels/{split}1.txt") for split in ("train", "val", "test")}

    def rows(split: str) -> Rows:
        return ((line.partition("/")[0], _inside(folder / "dtd/images", line)) for line in lists[split])

    classes = sorted({line.partition("/")[0] for line in lists["train"]})
    return classes, {"training": rows("train"), "validation": rows("val"), "test": rows("test")}


def _aircraft(folder: Path) -> Layout:
    data = folder / "data"

    def rows(split: str) -> Rows:
        for line in _lines(data / f"images_variant_{split}.txt"):
            image, _, variant = line.partition(" ")
            yield variant, _inside(data / "images", f"{image}.jpg")

    return _lines(data / "variants.txt"), {"training": rows("train"), "validation": rows("val"), "test": rows("test")}


def _caltech101(folder: Path) -> Layout:
    place = folder / "101_ObjectCategories"
    classes = [name for name in _folders(place) if name != "BACKGROUND_Google"]
    return classes, {"training": _in_folders(place, classes, ".jpg")}


def _caltech256(folder: Path) -> Layout:
    classes = _folders(folder / "256_ObjectCategories")
    return classes, {"training": _in_folders(folder / "256_ObjectCategories", classes, ".jpg")}


def _split_folders(suffix: str) -> Callable[[Path], Layout]:
    def read(folder: Path) -> Layout:
        classes = _folders(folder / "train")
        names = {"training": "train", "validation": "valid", "test": "test"}
        return classes, {split: _in_folders(folder / name, classes, suffix) for split, name in names.items()}

    return read


_READERS: dict[str, Callable[[Path], Layout]] = {
    "Imagenette": _imagenette, "OxfordIIITPet": _pets, "Flowers102": _flowers, "Food101": _food, "EuroSAT": _eurosat,
    "GTSRB": _gtsrb, "DTD": _dtd, "FGVCAircraft": _aircraft, "Caltech101": _caltech101, "Caltech256": _caltech256,
    "Country211": _split_folders(".jpg"), "RenderedSST2": _split_folders(".png"),
}  # fmt: skip
