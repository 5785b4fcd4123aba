"""Split the images of a folder into training, validation and test."""

import os
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple, Self

from tuitrain.config.data.datasets import TEST_FRACTION
from tuitrain.config.data.folds import Fold
from tuitrain.config.data.schema import Data
from tuitrain.errors import DataError
from tuitrain.image_folder.folder import ImageFolder
from tuitrain.image_folder.folds import deal, part
from tuitrain.image_folder.hold_out import hold_out, hold_out_by_position
from tuitrain.image_folder.scan import scan
from tuitrain.text import listed, plain

# The seed of the test split: all runs are tested on the same images, whatever their own seed.
_TEST_SEED = 0
_MORE = "Add images, or set data.validation to another fraction."

Digests = Callable[[Sequence[str]], Mapping[str, bytes]]


class Files(NamedTuple):
    """The files of a split, and the class index of each."""

    paths: list[str]
    labels: list[int]

    def at(self, rows: Iterable[int]) -> "Files":
        rows = list(rows)
        return Files([self.paths[row] for row in rows], [self.labels[row] for row in rows])


@dataclass(frozen=True)
class FolderSplits:
    """The files of an image folder: `classes` are the sorted names of its classes, and the keys of `splits` are
    training, test and, unless `data.validation` is 0, validation. `sources` names the folder or file that defines
    train, validation and test, or says "held out". `notes` are sentences for the user. `digests` maps each path to the
    digest of its content; it is empty if the files were not read."""

    root: Path
    classes: tuple[str, ...]
    splits: dict[str, Files]
    sources: dict[str, str]
    notes: tuple[str, ...]
    digests: Mapping[str, bytes]

    @property
    def paths(self) -> list[str]:
        """All used files, sorted."""
        return sorted(path for files in self.splits.values() for path in files.paths)

    @classmethod
    def scan(
        cls,
        config: Data,
        seed: int,
        digests: Digests | None = None,
        stop: Callable[[], bool] = lambda: False,
    ) -> Self:
        """Find the images that `config` describes and their splits. Raises DataError.

        Without test images, hold out a fifth of the images, independent of `seed`. Without validation images, hold out
        the fraction `data.validation` of the training images. In a cross-validation, hold out `data.fold` instead, also
        if there are validation images. With `digests`, hold out identical files together. Keep `data.fraction` of the
        training images that remain. `stop` is that of `image_folder.scan.scan`.
        """
        found = scan(config, stop)
        splits = {name: _files(by_class) for name, by_class in found.splits.items()}
        by_path = digests([path for files in splits.values() for path in files.paths]) if digests else {}
        notes = found.notes + _validation_notes(splits, config)
        _Holder(found, by_path, by_position=config.split_by == "position").complete(splits, config, seed)
        sources = found.sources | dict.fromkeys(splits.keys() - found.splits.keys(), "held out")
        if config.fold is not None:
            sources["validation"] = f"fold {config.fold}"
        shown = {"train" if split == "training" else split: source for split, source in sources.items()}
        return cls(found.root, found.classes, splits, shown, tuple(notes), by_path)

    def with_classes(self, names: Sequence[str]) -> Self:
        """Return the same files with the class indices of a network that was trained on the classes `names`. Raises
        DataError if the folder has a class that is not among them."""
        shown = list(map(plain, self.classes))
        if not set(shown) <= set(names):
            raise DataError(
                f"The run knows the classes {listed(names)}; {plain(self.root)} has {listed(shown)}.",
                "Restore the folders, or start a new run.",
            )
        index = {label: names.index(name) for label, name in enumerate(shown)}
        splits = {
            split: Files(files.paths, [index[label] for label in files.labels]) for split, files in self.splits.items()
        }
        return replace(self, classes=tuple(names), splits=splits)


def counts_with_sources(counts: Mapping[str, int], sources: Mapping[str, str]) -> list[str]:
    """Return the number of images of each split and, if there is one, its source: `54 train (Train/)`."""
    return [f"{count:,} {name}" + (f" ({sources[name]})" if name in sources else "") for name, count in counts.items()]


def _validation_notes(splits: Mapping[str, Files], config: Data) -> list[str]:
    fraction = config.validation
    if "validation" in splits and config.fold is not None:
        return [
            f"the validation images of data.dir are not used: fold {config.fold} is held out of the training images"
        ]
    if "validation" not in splits or fraction == Data().validation:
        return []
    if not fraction:
        return ["the validation images of data.dir are not used, because data.validation = 0"]
    return [f"data.validation = {fraction:g} is not used: data.dir has validation images"]


def _files(by_class: Sequence[Sequence[str]]) -> Files:
    labels = [label for label, paths in enumerate(by_class) for _ in paths]
    return Files([path for paths in by_class for path in paths], labels)


class _Holder:
    """Holds out images of the training split for the splits that have none."""

    def __init__(self, found: ImageFolder, digests: Mapping[str, bytes], *, by_position: bool) -> None:
        self._found, self._digests, self._by_position = found, digests, by_position

    def complete(self, splits: dict[str, Files], config: Data, seed: int) -> None:
        """Change `splits`, those that the folder has, to the ones that `config` describes."""
        if not config.validation or config.fold is not None:
            splits.pop("validation", None)
        train = splits["training"]
        if "test" not in splits:
            train, splits["test"] = self.part(train, TEST_FRACTION, _TEST_SEED, "test")
        if config.fold is not None:
            train, splits["validation"] = self.fold(train, Fold.parse(config.fold), seed)
        elif config.validation and "validation" not in splits:
            train, splits["validation"] = self.part(train, config.validation, seed, "validation")
        splits["training"] = self.fraction(train, config.fraction, seed)

    def part(self, files: Files, fraction: float, seed: int, name: str) -> tuple[Files, Files]:
        """Return the files that remain and those held out."""
        held = self._held_out(files, fraction, seed, name)
        if not held:
            groups = f" in {len(set(self._groups(files.paths)))} groups" if self._found.groups else ""
            count = f"{len(files.paths)}{groups}"
            raise DataError(f"There are too few images, {count}, to hold some out for the {name} split.", _MORE)
        taken = set(held)
        return files.at(row for row in range(len(files.paths)) if row not in taken), files.at(held)

    def fold(self, files: Files, fold: Fold, seed: int) -> tuple[Files, Files]:
        """Return the files outside of a fold of a cross-validation, and those in it."""
        groups = self._groups(files.paths)
        if len(set(groups)) < fold.total and not self._found.groups:
            # Most images are identical, so keeping them together would leave folds empty.
            groups = self._names(files.paths)
        dealt = deal(files.labels, groups, fold.total, f"fold/{seed}")
        inside = [number == fold.number - 1 for number in dealt]
        rows = range(len(dealt))
        return files.at(row for row in rows if not inside[row]), files.at(row for row in rows if inside[row])

    def fraction(self, files: Files, fraction: float, seed: int) -> Files:
        """Return a fraction of the files of each class."""
        if fraction == 1:
            return files
        return files.at(part(files.labels, self._names(files.paths), fraction, f"fraction/{seed}"))

    def _held_out(self, files: Files, fraction: float, seed: int, name: str) -> list[int]:
        if self._by_position:
            if self._found.groups:
                raise DataError("data.split_by = position cannot keep the groups of data.labels.", "Set it to path.")
            return hold_out_by_position(files.labels, fraction, seed)
        held = hold_out(files.labels, self._groups(files.paths), fraction, f"{name}/{seed}")
        if not held and not self._found.groups:
            # Most images are identical, so keeping them together would leave none to hold out.
            held = hold_out(files.labels, self._names(files.paths), fraction, f"{name}/{seed}")
        return held

    def _groups(self, paths: Sequence[str]) -> list[str]:
        """Return the group of each file: that of the labels, otherwise the name of the first identical file."""
        first: dict[bytes, str] = {}
        groups = []
        for path, name in zip(paths, self._names(paths), strict=True):
            group = self._found.groups.get(path)
            digest = self._digests.get(path)
            own = first.setdefault(digest, name) if digest else name
            groups.append(own if group is None else f"group {group}")
        return groups

    def _names(self, paths: Sequence[str]) -> list[str]:
        """Return names that are equal on every machine, so that the splits are equal, too."""
        root = self._found.root
        return [unicodedata.normalize("NFC", os.path.relpath(path, root).replace(os.sep, "/")) for path in paths]
