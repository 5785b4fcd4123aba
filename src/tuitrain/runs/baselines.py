"""Store and read the accuracies of simple classifiers on the images of a run, which a network should exceed."""

from typing import NamedTuple

import msgspec
from msgspec import Struct

from tuitrain.errors import RunError
from tuitrain.runs.files import read_json
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.records import Accuracy, Count, Evaluation, RunInfo, SplitName

FILE = "baselines.json"


class Baseline(NamedTuple):
    """The title of a simple classifier, such as "nearest neighbor", and its accuracy."""

    title: str
    accuracy: float


class Baselines(Struct, frozen=True, kw_only=True):
    """evaluation/baselines.json: accuracies on `images` images of `split` of classifiers that know `training_images`
    images of the training split. `fingerprints` are those of both splits, by name."""

    split: SplitName
    training_images: Count
    images: Count
    commonest_class: Accuracy
    nearest_neighbor: Accuracy
    linear: Accuracy
    fingerprints: dict[str, str] = {}

    @property
    def all(self) -> tuple[Baseline, Baseline, Baseline]:
        """The classifiers, the simplest first."""
        return (
            Baseline("commonest class", self.commonest_class),
            Baseline("linear model", self.linear),
            Baseline("nearest neighbor", self.nearest_neighbor),
        )

    @property
    def best(self) -> Baseline:
        return max(self.all, key=lambda baseline: baseline.accuracy)

    def matches(self, split: str, fingerprints: dict[str, str]) -> bool:
        """Return whether these baselines are of this split and of images with these fingerprints. A fingerprint that
        one side lacks counts as equal."""
        names = set(self.fingerprints) & set(fingerprints)
        return self.split == split and all(
            self.fingerprints[name] == fingerprints[name] for name in names if fingerprints[name]
        )


def stored_baselines(folder: RunFolder) -> Baselines | None:
    """Return the stored baselines, if any. A damaged file counts as none, because it can be computed again."""
    try:
        return read_json(folder.evaluations / FILE, Baselines)
    except RunError:
        return None


def baselines_of(folder: RunFolder, evaluation: Evaluation, info: RunInfo) -> Baselines | None:
    """Return the stored baselines of the images of an evaluation of the run `info`, or None."""
    found, fingerprints = stored_baselines(folder), info.fingerprints | {evaluation.split: evaluation.fingerprint}
    return found if found and found.matches(evaluation.split, fingerprints) else None


def write_baselines(folder: RunFolder, baselines: Baselines) -> None:
    """Replace the stored baselines. Raises OSError."""
    folder.write_in_evaluations(FILE, msgspec.json.encode(baselines))
