"""Split the files of an image folder."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Self

import torch
from torch import Tensor

from tuitrain.config.datasets import TEST_FRACTION, data_folder
from tuitrain.config.schema import Data
from tuitrain.errors import DataError
from tuitrain.image_folder.scan import scan
from tuitrain.training.data.stratify import stratified

# The seed of the test split: all runs are tested on the same images, whatever their own seed.
_TEST_SEED = 0
_MORE = "Add images, or set data.validation to another fraction."


class Files(NamedTuple):
    """The files of a split; `labels` is (N,) int64 on the CPU."""

    paths: list[str]
    labels: Tensor

    def at(self, rows: Tensor) -> "Files":
        return Files([self.paths[row] for row in rows.tolist()], self.labels[rows])


@dataclass(frozen=True)
class FolderSplits:
    """The files of an image folder: `classes` are the sorted names of its class folders, and the keys of `splits` are
    training, test and, if images are held out for it, validation. `notes` are sentences that the user should see."""

    root: Path
    classes: tuple[str, ...]
    splits: dict[str, Files]
    notes: tuple[str, ...]

    @property
    def paths(self) -> list[str]:
        """All used files, sorted."""
        return sorted(path for files in self.splits.values() for path in files.paths)

    @classmethod
    def scan(cls, config: Data, seed: int) -> Self:
        """Find the images of the folder `data.dir` and their splits. Raises DataError.

        Without a folder for the test split, a fifth of the images is held out, independent of `seed`; for validation,
        `data.validation` of the training split, 0 for none.
        """
        if config.dir is None:
            raise DataError("image-folder needs the folder of your images.", "Set data.dir to it.")
        found = scan(data_folder(config.dir), config.layout)
        splits = {split: _files(by_class) for split, by_class in found.splits.items()}
        if not config.validation:
            splits.pop("validation", None)
        splits = _hold_out(splits, config.validation, seed)
        return cls(found.root, found.classes, splits, tuple(found.notes))


def absent_classes(classes: Sequence[str], labels: Tensor) -> list[str]:
    """Return the classes that no image with one of the `labels`, (N,) int64 on the CPU, belongs to."""
    counts = torch.bincount(labels, minlength=len(classes)).tolist()
    return [name for name, count in zip(classes, counts, strict=True) if not count]


def _files(by_class: Sequence[Sequence[str]]) -> Files:
    counts = torch.tensor([len(paths) for paths in by_class])
    return Files([path for paths in by_class for path in paths], torch.arange(len(by_class)).repeat_interleave(counts))


def _hold_out(splits: dict[str, Files], fraction: float, seed: int) -> dict[str, Files]:
    """Hold out images of the training split for the splits that have no folder."""
    train = splits["training"]
    if "test" not in splits:
        train, splits["test"] = _part(train, TEST_FRACTION, _TEST_SEED, "test")
    if fraction and "validation" not in splits:
        train, splits["validation"] = _part(train, fraction, seed, "validation")
    return {**splits, "training": train}


def _part(files: Files, fraction: float, seed: int, name: str) -> tuple[Files, Files]:
    kept, held = stratified(files.labels, fraction, seed)
    if not len(held):
        raise DataError(f"There are too few images, {len(files.paths)}, to hold some out for the {name} split.", _MORE)
    return files.at(kept), files.at(held)
