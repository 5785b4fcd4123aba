"""Read and group the runs of a sweep with tuitrain's own modules."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import fsum
from pathlib import Path
from statistics import median
from typing import NamedTuple

from tuitrain.analysis.comparison.compare import compare
from tuitrain.analysis.table.groups import MeanSD, mean_sd
from tuitrain.config.formatting import format_value
from tuitrain.config.settings import SEED
from tuitrain.errors import RunError
from tuitrain.runs.catalog.index import RunIndex
from tuitrain.runs.catalog.listing import Entry
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.follower import Follower
from tuitrain.runs.records import Evaluation
from tuitrain.text import plain

KEYS = ("optimizer.name", "model.activation", "optimizer.lr", "training.epochs")


class Setting(NamedTuple):
    """The settings in which the runs of a study differ, besides the seed, in the order of KEYS."""

    optimizer: str
    activation: str
    lr: float
    epochs: int

    def __str__(self) -> str:
        return f"{self.optimizer}, {self.activation}, lr {format_value(self.lr)}, {epochs(self.epochs)}"


@dataclass(frozen=True)
class Group:
    """The runs of a setting, by seed. `test` and `train` are accuracies at the end; `seconds` is training time;
    `first_epoch` is the accuracy on the training images of the first epoch, each measured before its step."""

    setting: Setting
    runs: tuple[Follower, ...]
    evaluations: tuple[Evaluation, ...]
    test: MeanSD
    train: MeanSD | None
    seconds: MeanSD
    first_epoch: MeanSD | None

    @property
    def extremes(self) -> tuple[float, float]:
        """The lowest and the highest test accuracy."""
        accuracies = [evaluation.accuracy for evaluation in self.evaluations]
        return min(accuracies), max(accuracies)

    @property
    def predicted_classes(self) -> list[int]:
        """Return the number of classes that each run predicts on the test images."""
        return [sum(map(any, zip(*evaluation.confusion, strict=True))) for evaluation in self.evaluations]

    def norms(self, epoch: int) -> list[float]:
        """Return the median gradient norm of each layer over all rows of an epoch and all runs, first layer first."""
        layers = range(len(self.runs[0].layers))
        return [median(value for run in self.runs for value in _rows(run, epoch, run.layers[n])) for n in layers]

    def rows(self, epoch: int) -> int:
        """Return the number of rows that `norms` uses."""
        return sum(len(_rows(run, epoch, run.train.step)) for run in self.runs)


@dataclass(frozen=True)
class Study:
    """`groups` by setting; `left_out` counts runs that failed, did not finish or have no test evaluation."""

    groups: dict[Setting, Group]
    left_out: int

    @property
    def runs(self) -> list[Follower]:
        return [run for group in self.groups.values() for run in group.runs]

    def levels(self, key: str) -> list[float | str]:
        """Return the values of a field of Setting: numbers ascending, names in order of appearance."""
        values = list(dict.fromkeys(getattr(setting, key) for setting in self.groups))
        return sorted(values) if key in ("lr", "epochs") else values

    def gains(self, key: str, before: float | str, after: float | str, optimizer: str = "") -> list[float]:
        """Return the gain in mean test accuracy between two values of a field, for each pair of groups that differ only
        in it; for one optimizer, or all."""
        pairs = [
            (group, self.groups.get(setting._replace(**{key: after})))  # type: ignore[arg-type]
            for setting, group in self.groups.items()
            if getattr(setting, key) == before and optimizer in ("", setting.optimizer)
        ]
        return [other.test.mean - group.test.mean for group, other in pairs if other is not None]

    @property
    def twins(self) -> dict[Setting, Setting]:
        """Return settings whose models equal those of an earlier setting: the same predictions and loss in each run."""
        firsts: dict[tuple[tuple[bytes, float | None], ...], Setting] = {}
        twins = {}
        for setting, group in self.groups.items():
            outcome = tuple((evaluation.predicted, evaluation.loss) for evaluation in group.evaluations)
            first = firsts.setdefault(outcome, setting)
            if first != setting:
                twins[setting] = first
        return twins

    @property
    def originals(self) -> list[Group]:
        """Return the groups without those that equal an earlier one."""
        twins = self.twins
        return [group for setting, group in self.groups.items() if setting not in twins]

    @property
    def same_optimizers(self) -> list[tuple[str, str]]:
        """Return pairs of optimizers that produce the same models."""
        return sorted(
            {(twin.optimizer, first.optimizer) for twin, first in self.twins.items() if twin[1:] == first[1:]}
        )

    @property
    def activations(self) -> list[Group]:
        """Return one group per activation: first optimizer, highest learning rate, most common number of epochs."""
        lengths = Counter(setting.epochs for setting in self.groups)
        wanted = (self.levels("optimizer")[0], self.levels("lr")[-1], lengths.most_common(1)[0][0])
        return [group for (name, _, lr, length), group in self.groups.items() if (name, lr, length) == wanted]


def epochs(count: int) -> str:
    return f"{count} epoch{'s' * (count != 1)}"


def read_study(runs_dir: Path, sweep: str = "") -> Study:
    """Read the study from all runs of the folder, or from those of a sweep. Raises RunError if they are not one
    study."""
    entries = [entry for entry in reversed(RunIndex(runs_dir).refresh()) if not sweep or entry.info.parent == sweep]
    runs = [_read(entry.folder) for entry in entries if _tested(entry)]
    if not runs:
        raise RunError(f"{plain(runs_dir)} contains no finished run with a test evaluation.", "See: tuitrain runs")
    comparison = compare(runs)
    if extra := [key for key in comparison.differing if key not in (*KEYS, SEED)]:
        raise RunError(
            f"These runs differ in settings that the study does not show: {', '.join(extra)}.", "Name one sweep."
        )
    by_id = {run.folder.id: run for run in runs}
    groups = [_group([by_id[id] for id in group.ids]) for group in comparison.groups]
    order = list(dict.fromkeys(word for group in groups for word in group.setting[:2]))
    groups.sort(key=lambda group: (*map(order.index, group.setting[:2]), group.setting.lr, group.setting.epochs))
    return Study({group.setting: group for group in groups}, len(entries) - len(runs))


def _tested(entry: Entry) -> bool:
    return entry.status == "finished" and entry.state.test is not None


def _read(folder: RunFolder) -> Follower:
    run = Follower(folder)
    while run.poll(1.0):
        pass
    return run


def _group(runs: Sequence[Follower]) -> Group:
    runs = sorted(runs, key=lambda run: run.config.training.seed)
    config = runs[0].config
    setting = Setting(config.optimizer.name, config.model.activation, config.optimizer.lr, config.training.epochs)
    evaluations = [found for run in runs if (found := run.folder.evaluation("test")) is not None]
    test, seconds = (
        mean_sd(evaluation.accuracy for evaluation in evaluations),
        mean_sd(run.state.seconds for run in runs),
    )
    if test is None or seconds is None or len(evaluations) < len(runs):
        raise RunError(f"Damaged runs of {setting}: evaluation/test.json is missing.")
    train = mean_sd(run.state.train.accuracy for run in runs if run.state.train)
    return Group(setting, tuple(runs), tuple(evaluations), test, train, seconds, mean_sd(map(_first_epoch, runs)))


def _rows(run: Follower, epoch: int, column: Sequence[float]) -> list[float]:
    return [value for value, row_epoch in zip(column, run.train["epoch"], strict=True) if row_epoch == epoch]


def _first_epoch(run: Follower) -> float | None:
    """Return the mean over the first epoch; each row is the mean over the steps since the previous row."""
    steps, accuracies = _rows(run, 1, run.train.step), _rows(run, 1, run.train["accuracy"])
    weights = [step - before for step, before in zip(steps, [0, *steps], strict=False)]
    return fsum(a * w for a, w in zip(accuracies, weights, strict=True)) / sum(weights) if weights else None
