"""Suggest what to try next, by explicit rules on the curves of a run; see docs/verdict.md.

Only the training and validation splits steer: an image that chooses settings can no longer judge them.
"""

from math import isfinite, sqrt
from typing import Literal

from msgspec import Struct

from tuitrain.analysis import health, units
from tuitrain.analysis.metrics.proportion import Z
from tuitrain.runs.follower import Follower
from tuitrain.runs.label_check import LabelCheck
from tuitrain.text import counted

StepKind = Literal[
    "cleaner_labels", "longer_training", "regularization", "fine_tuning", "more_data", "larger_network",
    "less_regularization", "none",
]  # fmt: skip
TITLES: dict[StepKind, str] = {
    "cleaner_labels": "correct the labels",
    "longer_training": "longer training",
    "regularization": "regularization",
    "fine_tuning": "fine-tuning",
    "more_data": "more training images",
    "larger_network": "a larger network",
    "less_regularization": "less regularization, or a larger network",
    "none": "none",
}
# The smallest share of wrong labels that counts, alone and relative to the error rate. Weak features let correct labels
# look wrong: 4 % of those of 2,500 photos where the nearest images have another class for 23 %, 8 % where for 49 %.
WRONG_LABELS, WRONG_SHARE = 0.01, 0.4
# The last part of the epochs, and the smallest relative fall of the validation loss in it that suggests more epochs.
RECENT, FALL = 0.2, 0.02
# The number of epochs from which the curves show whether a network has stopped learning.
EPOCHS = 5
# The relative rise of the validation loss above its minimum that counts as overfitting.
RISE = 0.1
# The network fits its training images if it makes at most this part of its validation errors on them.
FIT = 0.5


class NextStep(Struct, frozen=True):
    """A suggestion for the next run, and a sentence with the figures behind it."""

    kind: StepKind
    reason: str

    @property
    def sentence(self) -> str:
        """`Next step: longer training. The validation loss …`; without a step, only the reason."""
        return self.reason if self.kind == "none" else f"Next step: {TITLES[self.kind]}. {self.reason}"


class CurveResult(Struct, frozen=True):
    """The result of a learning curve: whether more training images are likely to help, and a sentence."""

    helps: Literal["likely", "unlikely", "uncertain"]
    sentence: str


def next_step(run: Follower, labels: LabelCheck | None = None, curve: CurveResult | None = None) -> NextStep:
    """Return the step of the first rule that applies."""
    if obstacles := health.obstacles(run):
        return NextStep("none", f"First solve this: {'; '.join(obstacles)}.")
    if run.state.train is None or run.state.validation is None or not len(run.evaluations["validation"]):
        return NextStep("none", "Without a validation split, the figures suggest no next step.")
    rules = (
        _labels(run, labels), _longer(run), _regularization(run), _frozen(run), _curve(curve), _gap(run, curve),
        _larger(run),
    )  # fmt: skip
    return next((step for step in rules if step), _nothing(run))


def _error(run: Follower, split: Literal["train", "validation"]) -> float:
    score = run.state.train if split == "train" else run.state.validation
    # A damaged file may hold any number.
    return min(max(1 - score.accuracy, 0.0), 1.0) if score else 0.0


def _noise(run: Follower) -> float:
    """Return the largest difference of accuracies that chance explains with this number of validation images."""
    images, error = run.info.sizes.get("validation", 0), _error(run, "validation")
    return Z * sqrt(error * (1 - error) / images) if images else 1.0


def _labels(run: Follower, labels: LabelCheck | None) -> NextStep | None:
    if labels is None or not labels.images:
        return None
    share, error = labels.wrong / labels.images, _error(run, "validation")
    if share < max(WRONG_LABELS, WRONG_SHARE * error):
        return None
    return NextStep(
        "cleaner_labels",
        f"{labels.wrong:,} of {labels.images:,} labels ({units.percent(share)}) look wrong, and the network errs on"
        f" {units.percent(error)} of the validation images. Look at them first: tuitrain suspects {run.folder.id}.",
    )


def _longer(run: Follower) -> NextStep | None:
    losses = run.evaluations["validation"]["loss"]
    before = len(losses) - 1 - max(1, round(RECENT * len(losses)))
    if before < 0 or not all(map(isfinite, losses)) or losses[-1] > min(losses):
        return None
    fall = 1 - losses[-1] / losses[before] if losses[before] > 0 else 0.0
    if fall < FALL:
        return None
    epoch = units.count(run.evaluations["validation"]["epoch"][before])
    return NextStep(
        "longer_training",
        f"The validation loss still falls: it ends at {units.loss(losses[-1])},"
        f" {100 * fall:.0f} % below that of epoch {epoch}.",
    )


def _regularization(run: Follower) -> NextStep | None:
    lowest = health.lowest_validation(run)
    last = run.evaluations["validation"]["loss"][-1]
    if lowest is None or not last >= (1 + RISE) * lowest.loss or not health.training_loss_fell(run, lowest.step):
        return None
    return NextStep(
        "regularization",
        f"The network overfits: the validation loss rose from {units.loss(lowest.loss)} in epoch {lowest.epoch:,}"
        f" to {units.loss(last)}, while the training loss fell.",
    )


def _frozen(run: Follower) -> NextStep | None:
    error = _error(run, "validation")
    if run.config.finetune.freeze != "backbone" or error <= _noise(run):
        return None
    return NextStep(
        "fine_tuning",
        f"Only the classifier was trained, and {units.percent(1 - error)} of the validation images are classified"
        f" correctly. Train all layers from here: model.weights = run:{run.folder.id}.",
    )


def _curve(curve: CurveResult | None) -> NextStep | None:
    return NextStep("more_data", curve.sentence) if curve and curve.helps == "likely" else None


def _gap(run: Follower, curve: CurveResult | None) -> NextStep | None:
    train, validation = _error(run, "train"), _error(run, "validation")
    if train > FIT * validation or validation - train <= _noise(run):
        return None
    reason = (
        f"The network classifies {units.percent(1 - train)} of its training images correctly, and"
        f" {units.percent(1 - validation)} of the validation images"
    )
    if curve and curve.helps == "unlikely":
        return NextStep("regularization", f"{reason}, but a learning curve says that more images hardly help.")
    return NextStep("more_data", f"{reason}. Augmentation may help, too.")


def _larger(run: Follower) -> NextStep | None:
    train, validation = _error(run, "train"), _error(run, "validation")
    if len(run.evaluations["validation"]) < EPOCHS or train <= _noise(run) or validation - train > _noise(run):
        return None
    reason = (
        f"The network errs on {units.percent(train)} of its training images and on {units.percent(validation)} of the"
        " validation images: it does not even fit what it is trained on"
    )
    if active := _regularizers(run):
        return NextStep("less_regularization", f"{reason}, with {', '.join(active)}.")
    return NextStep("larger_network", f"{reason}.")


def _nothing(run: Follower) -> NextStep:
    train, validation = (units.percent(1 - _error(run, split)) for split in ("train", "validation"))
    images, epochs = units.count(run.info.sizes.get("validation")), run.state.epoch
    short = f"The curves of {counted(epochs, 'epoch')} are too short to suggest a next step"
    return NextStep(
        "none",
        f"{short if epochs < EPOCHS else 'The figures suggest no particular next step'}: {train} of the training images"
        f" and {validation} of the {images} validation images are classified correctly.",
    )


def _regularizers(run: Follower) -> list[str]:
    """Return the settings in use that keep a network from fitting its training images."""
    config = run.config
    values = {
        "data.augment": config.data.augment,
        "model.dropout": config.model.dropout,
        "optimizer.weight_decay": config.optimizer.weight_decay,
        "training.label_smoothing": config.training.label_smoothing,
    }
    return [key for key, value in values.items() if value]
