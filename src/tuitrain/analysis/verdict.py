"""Judge the result of a run: against simple classifiers, where it fails, and what to try next; see docs/verdict.md."""

from msgspec import Struct

from tuitrain.analysis import confusion, units
from tuitrain.analysis.known_curve import known_curve
from tuitrain.analysis.metrics.proportion import Interval, accuracy_interval
from tuitrain.analysis.next_step import CurveResult, NextStep, next_step
from tuitrain.runs.baselines import Baseline, Baselines, baselines_of
from tuitrain.runs.folder import RunFolder, shown_status
from tuitrain.runs.follower import Follower
from tuitrain.runs.label_check import LabelCheck, known_labels
from tuitrain.runs.records import ACTIVE, Evaluation, State
from tuitrain.text import plain

# A class with fewer images may be the weakest one by chance.
FEWEST = 10
NAME = 24


class WeakestClass(Struct, frozen=True):
    """The class of which the smallest share of its `images` is `correct`."""

    name: str
    images: int
    correct: int


class ConfusedPair(Struct, frozen=True):
    """The most frequent confusion: `count` images of class `true` were predicted as `predicted`."""

    true: str
    predicted: str
    count: int


class Verdict(Struct, frozen=True, kw_only=True):
    """The verdict on the evaluation of a run. Its class names are safe to show.

    `interval` is the 95 % interval of the accuracy; None without images. `baselines` are None if they are not known
    yet. `better` is the part of the errors of the best baseline that the network avoids, negative if it makes more, and
    None if the baseline is unknown or makes none. `beats_baseline` says whether the best baseline lies below the
    interval. `weakest` and `confused` are None if several classes or pairs are alike, or all images correct.
    """

    split: str
    checkpoint: str
    images: int
    correct: int
    accuracy: float
    interval: Interval | None
    baselines: Baselines | None
    better: float | None
    beats_baseline: bool | None
    weakest: WeakestClass | None
    confused: ConfusedPair | None
    next_step: NextStep

    @property
    def sentences(self) -> tuple[str, ...]:
        """The verdict in words, one line each: the comparison, where the network fails, and the next step."""
        return tuple(filter(None, (self.comparison, self.failure, self.next_step.sentence)))

    @property
    def interval_text(self) -> str:
        """`95.00 – 98.48 %`, or empty."""
        if self.interval is None:
            return ""
        return f"{units.percent(self.interval.low).removesuffix(' %')} – {units.percent(self.interval.high)}"

    @property
    def ranked_baselines(self) -> list[Baseline]:
        """The baselines, the best first; empty if they are unknown."""
        return sorted(self.baselines.all, key=lambda one: -one.accuracy) if self.baselines else []

    @property
    def comparison(self) -> str:
        """How much better the network is than the best baseline; empty if that is unknown."""
        if self.baselines is None:
            return ""
        best = self.baselines.best
        title, reached, own = f"the {best.title}", units.percent(best.accuracy), units.percent(self.accuracy)
        if best.accuracy >= self.accuracy:
            return f"The network is NOT BETTER than a simple classifier: {title} reaches {reached}, the network {own}."
        if not self.beats_baseline:
            return (
                f"The network is NOT CLEARLY BETTER than a simple classifier: {title} reaches {reached}, within the"
                f" 95 % interval of the network, {self.interval_text}."
            )
        fewer = f"{100 * (self.better or 0):.0f} % fewer errors"
        return f"The network makes {fewer} than the best simple classifier, {title}: {own} against {reached}."

    @property
    def failure(self) -> str:
        """Where the network fails."""
        if self.correct == self.images:
            return "All images are classified correctly."
        parts = []
        if (weak := self.weakest) is not None:
            share = units.percent(weak.correct / weak.images)
            parts.append(f"Weakest class: {weak.name}, {weak.correct:,} of {weak.images:,} images correct ({share}).")
        if (pair := self.confused) is not None:
            parts.append(f"Most frequent confusion: {pair.true} predicted as {pair.predicted} ({pair.count:,}).")
        return " ".join(parts) or "No class and no confusion stands out among the errors."


def judged_evaluation(folder: RunFolder, state: State) -> Evaluation | None:
    """Return the evaluation whose accuracy is the result of the run: of the test split and of the best weights if
    possible. Raises RunError if it is damaged."""
    if (test := folder.best_test(state)) is not None:
        return test
    best = folder.evaluation("validation", "best") if state.best else None
    return best if best and state.best and best.step == state.best.step else folder.evaluation("validation")


def read_verdict(folder: RunFolder) -> Verdict | None:
    """Return the verdict on a run from its files; None if another tool wrote it, if it is active, or without an
    evaluation. Raises RunError if a file is damaged."""
    if folder.read_only or shown_status(state := folder.state()) in ACTIVE:
        return None
    if (evaluation := judged_evaluation(folder, state)) is None:
        return None
    return run_verdict(folder, evaluation, baselines_of(folder, evaluation, folder.info()))


def run_verdict(folder: RunFolder, evaluation: Evaluation, baselines: Baselines | None) -> Verdict:
    """Read the curves of a run that has ended, and return the verdict on this evaluation of it."""
    run = Follower(folder)
    while run.poll(1.0):
        pass
    return verdict(run, evaluation, baselines, known_labels(folder, run.info), known_curve(run))


def verdict(
    run: Follower,
    evaluation: Evaluation,
    baselines: Baselines | None,
    labels: LabelCheck | None = None,
    curve: CurveResult | None = None,
) -> Verdict:
    """Return the verdict on an evaluation of a run that has ended, whose curves are read. `baselines` are those of its
    images, `labels` what is known of wrong labels, and `curve` that of a learning curve."""
    images = sum(map(sum, evaluation.confusion))
    correct = sum(row[index] for index, row in enumerate(evaluation.confusion))
    accuracy, interval = correct / images if images else 0.0, accuracy_interval(correct, images)
    best = baselines.best.accuracy if baselines else None
    return Verdict(
        split=evaluation.split,
        checkpoint=evaluation.checkpoint,
        images=images,
        correct=correct,
        accuracy=accuracy,
        interval=interval,
        baselines=baselines,
        better=None if best is None or best == 1 else 1 - (1 - accuracy) / (1 - best),
        beats_baseline=None if best is None or interval is None else best < interval.low,
        weakest=_weakest(evaluation),
        confused=_confused(evaluation),
        next_step=next_step(run, labels, curve),
    )


def _weakest(evaluation: Evaluation) -> WeakestClass | None:
    counts = [(row[index], sum(row), index) for index, row in enumerate(evaluation.confusion)]
    shares = sorted((correct / images, index) for correct, images, index in counts if images >= FEWEST)
    if not shares or shares[0][0] == 1 or (len(shares) > 1 and shares[1][0] == shares[0][0]):
        return None
    correct, images, index = counts[shares[0][1]]
    return WeakestClass(plain(evaluation.classes[index], NAME), images, correct)


def _confused(evaluation: Evaluation) -> ConfusedPair | None:
    pairs = confusion.most_confused(evaluation.confusion, 2)
    # The first of several equally frequent pairs means nothing.
    if not pairs or [pair.count for pair in pairs] == [pairs[0].count] * 2:
        return None
    true, predicted = (plain(evaluation.classes[index], NAME) for index in (pairs[0].true, pairs[0].predicted))
    return ConfusedPair(true, predicted, pairs[0].count)
