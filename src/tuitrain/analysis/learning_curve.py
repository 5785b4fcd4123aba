"""Compute the accuracy over the number of training images, and judge whether more of them would help."""

from collections.abc import Iterable, Mapping, Sequence
from math import log2, sqrt
from statistics import fmean, stdev
from typing import Literal

from msgspec import Struct

from tuitrain.analysis import units
from tuitrain.analysis.table.groups import MeanSD, mean_sd
from tuitrain.analysis.text_tables import Lines
from tuitrain.config.formatting import format_value
from tuitrain.config.settings import FRACTION
from tuitrain.config.sweeps.sweep import Sweep
from tuitrain.config.validation import has_validation
from tuitrain.errors import RunError
from tuitrain.runs.catalog.result import metric
from tuitrain.runs.records import RunInfo
from tuitrain.runs.sweeps.index import Outcome
from tuitrain.text import counted

# The accuracy that makes a doubling worth its images, or the part of the errors that it removes if that is less.
WORTH, WORTH_OF_ERRORS = 0.005, 0.1
# The 97.5 % quantiles of Student's t distribution with 1, 2, … degrees of freedom, and of the normal distribution.
_STUDENT = (12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23)
_NORMAL = 1.96
Verdict = Literal["likely", "unlikely", "uncertain"]
VERDICTS: dict[Verdict, str] = {
    "likely": "more data is likely to help",
    "unlikely": "more data is unlikely to help",
    "uncertain": "whether more data helps is uncertain, and more seeds would tell",
}


class Point(Struct, frozen=True):
    """The finished runs on a `fraction` of the training split. `by_run` has the accuracy on the held-out images by the
    number of the run, which stands for its seed and fold; `test` is the accuracy on the test split."""

    fraction: float
    images: int
    by_run: dict[int, float]
    test: MeanSD | None

    @property
    def accuracy(self) -> MeanSD:
        found = mean_sd(self.by_run.values())
        assert found is not None
        return found


class Gain(Struct, frozen=True):
    """The accuracy that the last doubling of the training images added, with a 95 % interval, over `runs` pairs of
    runs. `worth` is the gain from which a doubling is worth its images."""

    value: float
    low: float
    high: float
    worth: float
    runs: int

    @property
    def verdict(self) -> Verdict:
        """Return `likely` if the gain is worth the images and the interval is above 0, `unlikely` if the whole interval
        is at most what is worth it, else `uncertain`."""
        if self.low > 0 and self.value >= self.worth:
            return "likely"
        return "unlikely" if self.high <= self.worth else "uncertain"


class LearningCurve(Struct, frozen=True):
    """Points with ascending fractions. The accuracy is that of the best epoch on `split`, validation, or that of the
    last epoch on test if the runs have no validation split, with `held_out` images. `unfinished` counts the runs that
    were best in their last epoch, and `problem` says why the accuracies are not comparable."""

    split: Literal["validation", "test"]
    held_out: int
    points: tuple[Point, ...]
    unfinished: int = 0
    problem: str = ""

    @property
    def gain(self) -> Gain | None:
        """The gain of the last doubling; None with fewer than two numbers of images. The accuracy at half of the images
        is interpolated between its neighbors, linearly in the logarithm of the images; if there is no smaller point,
        the line through the smallest and the largest number of images continues."""
        points: list[Point] = []
        for point in self.points:
            if point.images > (points[-1].images if points else 0):
                points.append(point)
        if len(points) < 2:
            return None
        sizes = [log2(point.images) for point in points]
        half, last = sizes[-1] - 1, len(points) - 1
        above = next(index for index, size in enumerate(sizes) if size > half)
        lower, upper = (above - 1, above) if above else (0, last)
        weight = (half - sizes[lower]) / (sizes[upper] - sizes[lower])
        used = points[lower], points[upper], points[last]
        runs = [run for run in used[0].by_run if all(run in point.by_run for point in used)]
        pairs = [
            (used[0].by_run[run] * (1 - weight) + used[1].by_run[run] * weight, used[2].by_run[run]) for run in runs
        ]
        return _gain(pairs, self.held_out) if pairs else None


def _gain(pairs: Sequence[tuple[float, float]], held_out: int) -> Gain:
    """Return the mean gain of pairs of accuracies, at half of and at all images."""
    gains = [after - before for before, after in pairs]
    if len(pairs) > 1:
        quantile = _STUDENT[min(len(pairs) - 1, len(_STUDENT)) - 1]
        error = quantile * stdev(gains) / sqrt(len(gains))
    else:
        # Of a single run, only the error of counting its images is known.
        shares = [min(max(accuracy, 0.0), 1.0) for accuracy in pairs[0]]
        error = _NORMAL * sqrt(sum(share * (1 - share) for share in shares) / max(1, held_out))
    errors = max(0.0, 1 - fmean(before for before, _ in pairs))
    value = fmean(gains)
    return Gain(value, value - error, value + error, min(WORTH, WORTH_OF_ERRORS * errors), len(pairs))


def is_learning_curve(sweep: Sweep) -> bool:
    """Return whether the trials of a sweep differ in nothing but the fraction of the training images."""
    return sweep.varying_keys == [FRACTION]


def learning_curve(sweep: Sweep, outcomes: Iterable[Outcome], infos: Mapping[str, RunInfo]) -> LearningCurve:
    """Return the curve of the finished runs of a sweep that have an accuracy; `infos` are those by id of the run."""
    split: Literal["validation", "test"] = "validation" if has_validation(sweep.base) else "test"
    found: dict[float, list[tuple[Outcome, RunInfo]]] = {}
    for outcome in outcomes:
        accuracy = metric(outcome.state, f"{split}.accuracy") if outcome.status == "finished" else None
        if outcome.run and outcome.run.id in infos and outcome.values is not None and accuracy is not None:
            found.setdefault(outcome.values.get(FRACTION, sweep.base.data.fraction), []).append(
                (outcome, infos[outcome.run.id])
            )
    runs = [run for each in found.values() for run in each]
    held_out = max((info.sizes.get(split, 0) for _, info in runs), default=0)
    states = [outcome.state for outcome, _ in runs if outcome.state is not None]
    return LearningCurve(
        split,
        held_out,
        tuple(_point(split, *item) for item in sorted(found.items(), key=lambda item: item[0])),
        sum(state.best is not None and state.best.epoch == state.epoch for state in states),
        _problem(runs),
    )


def _point(split: str, fraction: float, runs: Sequence[tuple[Outcome, RunInfo]]) -> Point:
    accuracies = {outcome.job.seed: metric(outcome.state, f"{split}.accuracy") or 0.0 for outcome, _ in runs}
    name = "test.accuracy" if split == "test" else "best-test.accuracy"
    test = mean_sd(metric(outcome.state, name) for outcome, _ in runs)
    return Point(fraction, round(fmean(info.sizes.get("train", 0) for _, info in runs)), accuracies, test)


def _problem(runs: Iterable[tuple[Outcome, RunInfo]]) -> str:
    """Return a sentence if runs of the same seed held out different images, because the data set has changed."""
    seen: dict[tuple[int, str], set[str]] = {}
    for outcome, info in runs:
        for split in ("validation", "test"):
            seen.setdefault((outcome.job.seed, split), set()).add(info.fingerprints.get(split, ""))
    changed = [split for (_, split), fingerprints in seen.items() if len(fingerprints) > 1]
    if not changed:
        return ""
    return f"The {changed[0]} images of the runs differ, so that their accuracies are not comparable."


def read_infos(outcomes: Iterable[Outcome], known: dict[str, RunInfo]) -> dict[str, RunInfo]:
    """Add the records of finished runs to `known`, by id, and return it; leave out damaged ones."""
    for outcome in outcomes:
        if outcome.status == "finished" and outcome.run is not None and outcome.run.id not in known:
            try:
                known[outcome.run.id] = outcome.run.info()
            except RunError:
                continue
    return known


def table(curve: LearningCurve) -> Lines:
    """Return a line per fraction with its accuracies, titles first."""
    titles = ["fraction", "training images", "runs", f"{curve.split} accuracy"]
    rows = [
        [format_value(point.fraction), f"{point.images:,}", str(point.accuracy.n), _accuracy(point.accuracy)]
        for point in curve.points
    ]
    if curve.split == "test":
        return [titles, *rows]
    tests = [_accuracy(point.test) for point in curve.points]
    return [[*titles, "test accuracy"], *([*row, test] for row, test in zip(rows, tests, strict=True))]


def _accuracy(summary: MeanSD | None) -> str:
    if summary is None:
        return units.UNKNOWN
    return units.percent(summary.mean) + (f" ± {100 * summary.sd:.2f}" if summary.sd is not None else "")


def sentence(curve: LearningCurve) -> str:
    """Return what the last doubling of the training images added, and whether more data is likely to help."""
    if curve.problem:
        return curve.problem
    if (gain := curve.gain) is None:
        return "Two fractions with finished runs are needed to tell whether more data would help."
    value, low, high = (f"{100 * number:+.2f}" for number in (gain.value, gain.low, gain.high))
    runs = counted(gain.runs, "run")
    text = (
        f"The last doubling of the training images, to {curve.points[-1].images:,}, changed the {curve.split} accuracy"
        f" by {value} points (95 % interval {low} to {high}, {runs} each): {VERDICTS[gain.verdict]}."
    )
    total = sum(point.accuracy.n for point in curve.points)
    if 2 * curve.unfinished <= total:
        return text
    few = f"the best epoch of {curve.unfinished} of {total} runs is their last one"
    return f"{text} But {few}: try more epochs first, because runs on fewer images take fewer steps."
