"""The contents of the JSON files in a run folder. Times are in seconds since 1970, durations in seconds."""

from collections.abc import Iterable
from math import exp, isfinite
from typing import Annotated, Literal

from msgspec import Meta, Struct, field, structs

from tuitrain.config.schedule import Extension
from tuitrain.config.schema import MAX_EPOCHS, Goal
from tuitrain.runs.process import Process

FORMAT = 1
# Integers that a float represents exactly.
Count = Annotated[int, Meta(ge=0, le=2**53)]
HIGHEST_PRIORITY = 9999  # A table shows it in full.
Priority = Annotated[int, Meta(ge=-HIGHEST_PRIORITY, le=HIGHEST_PRIORITY)]
Accuracy = Annotated[float, Meta(ge=0, le=1)]
SplitName = Literal["validation", "test"]
CheckpointName = Literal["last", "best"]
Status = Literal["queued", "running", "paused", "finished", "stopped", "failed"]
# `interrupted` is never written: it is the status of an active run whose process no longer exists.
ShownStatus = Literal["queued", "running", "paused", "finished", "stopped", "failed", "interrupted", "damaged"]
# The values of `training.best` in words.
GOAL_TITLES: dict[Goal, str] = {
    "loss": "loss", "accuracy": "accuracy", "macro-f1": "macro-F1", "balanced-accuracy": "balanced accuracy",
}  # fmt: skip
ACTIVE = ("queued", "running", "paused")


class Metrics(Struct, frozen=True):
    """Metrics of an evaluation, see docs/metrics.md; None if they are not defined."""

    top5_accuracy: float | None = None
    balanced_accuracy: float | None = None
    macro_precision: float | None = None
    macro_recall: float | None = None
    macro_f1: float | None = None
    weighted_f1: float | None = None
    kappa: float | None = None
    mcc: float | None = None
    log_loss: float | None = None
    brier: float | None = None
    roc_auc: float | None = None
    average_precision: float | None = None
    ece: float | None = None


class Score(Struct, frozen=True, omit_defaults=True):
    """`accuracy` is a fraction from 0 to 1; `loss` is None if it was not finite. `metrics` are None for the training
    split, and in runs of older versions."""

    loss: float | None
    accuracy: float
    metrics: Metrics | None = None

    @property
    def measured(self) -> float | None:
        """The accuracy, or None if it is NaN, as for another tool's run without one."""
        return self.accuracy if isfinite(self.accuracy) else None


class Best(Struct, frozen=True):
    """The best epoch so far by `metric` on the validation split, which has the `value` there; None in runs of older
    versions. `test` is evaluated at the end of the run."""

    epoch: Count
    step: Count
    validation: Score
    test: Score | None = None
    metric: Goal = "loss"
    value: float | None = None

    @property
    def by(self) -> str:
        """A suffix for titles such as "best test": ` by macro-F1`, empty for the default, the loss."""
        return by_goals([self.metric])

    @property
    def criterion(self) -> str:
        """The reason why the epoch is the best: `lowest validation loss`, `highest validation macro-F1`."""
        extreme = "lowest" if self.metric == "loss" else "highest"
        return f"{extreme} validation {GOAL_TITLES[self.metric]}"


def by_goals(metrics: Iterable[Goal]) -> str:
    """Return the suffix of titles such as "best val" for best epochs by these metrics: ` by macro-F1`, empty for the
    default, the loss, and ` by training.best` if they differ."""
    goals = set(metrics)
    if len(goals) > 1:
        return " by training.best"
    return "" if goals <= {"loss"} else f" by {GOAL_TITLES[goals.pop()]}"


class CodeFile(Struct, frozen=True):
    """A user's Python file: `file` is its path in the settings, `copy` the name of the run's copy in `code/`."""

    file: str
    copy: str
    sha256: str


class WeightsInfo(Struct, frozen=True, kw_only=True):
    """The weights that training began with. `source` is the value of `model.weights`, `file` the name of their file and
    `loaded`, `created` and `skipped` count tensors.

    The rest describes the images that they were trained on; a `size` of 0 and an empty `mean` mean unknown. `crop` is
    the fraction of the resized image's height and width that remains.
    """

    source: str = ""
    file: str = ""
    sha256: str = ""
    loaded: Count = 0
    created: Count = 0
    skipped: Count = 0
    size: Count = 0
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    crop: float = 1.0
    interpolation: str = "bilinear"


class RunInfo(Struct, kw_only=True):
    """run.json: identity of the run and the hardware, software, model and data it uses.

    `code` lists the run's copies of the user's Python files. `device` is the first of `devices` that train the run.

    `value_ranges` are the values that become black and white in images with more than 8 bits, by kind of image; None in
    runs of older versions. `white` is the largest value of a pixel, which becomes 1 before the normalization; None in
    runs of older versions. `batch_size` is the number of images per batch, 0 in runs of older versions. `weights` is
    None if training began with random weights.
    """

    id: str
    name: str
    format: int = FORMAT
    created: float = 0.0
    notes: str = ""
    tags: list[str] = []
    parent: str | None = None
    command: str = ""
    host: str = ""
    device: str = ""
    devices: Count = 1
    threads: Count = 0
    versions: dict[str, str] = {}
    flags: dict[str, str] = {}
    git: str = ""
    model: str = ""
    parameters: Count = 0
    layers: list[str] = []
    shape: tuple[int, int, int] = (0, 0, 0)
    classes: list[str] = []
    sizes: dict[str, Count] = {}
    batch_size: Count = 0
    mean: list[float] = []
    std: list[float] = []
    white: Count | None = None
    fingerprints: dict[str, str] = {}
    value_ranges: dict[str, tuple[float, float]] | None = None
    data_notes: list[str] = []
    code: list[CodeFile] = []
    weights: WeightsInfo | None = None

    @property
    def hardware(self) -> str:
        """The device, and how many of its kind share each batch: `2 × cuda:0 NVIDIA H100`."""
        return f"{self.devices} × {self.device}" if self.devices > 1 and self.device else self.device


class Waiting(Struct, frozen=True, kw_only=True):
    """What will start a run that no process owns: the `queue` of its runs folder, by `priority`, highest first, unless
    the run is `held`; or Slurm, as this `job` of the `cluster`, with an empty id until Slurm has accepted it. `reason`
    says why the run waits. A run that continues had the status `before` and may get a new number of `epochs`."""

    by: Literal["queue", "slurm"]
    since: float
    reason: str = ""
    priority: Priority = 0
    held: bool = False
    job: str = ""
    cluster: str = ""
    before: Status = "queued"
    before_reason: str = ""
    epochs: Annotated[int, Meta(ge=1, le=MAX_EPOCHS)] | None = None
    schedule: Extension = "stretch"


class SlurmJob(Struct, frozen=True, kw_only=True):
    """The Slurm job that trains or last trained the run on `node` of `cluster`. Its time limit `ends` it; None: it has
    none. After a restart of the job, the run reads commands from byte `since` of the control file. `requeued_at` is the
    run's step when the job was last requeued; None: it never was."""

    id: str
    cluster: str = ""
    node: str = ""
    ends: float | None = None
    since: Count = 0
    requeued_at: Count | None = None


class State(Struct, kw_only=True):
    """state.json: the progress of the run.

    `epoch` counts complete epochs, `steps` is the total of the run, `seconds` is time spent in training steps and
    `memory` is in bytes. The learning-rate schedule spans the steps from `schedule_start` to the end of epoch
    `schedule_end`; None: of the last epoch. `lr` is the learning rate that a user set while the run was active.
    `not_continued` is the reason why the last attempt to resume the run failed. `waiting` is not None while the queue
    or Slurm has yet to start or continue the run. `slurm` is None unless a Slurm job trained the run last. `fitting`
    are the settings, by key, with which a run that ran out of memory should fit.
    """

    status: Status = "queued"
    phase: str = ""
    reason: str = ""
    not_continued: str = ""
    epoch: Count = 0
    epochs: Count = 0
    step: Count = 0
    steps: Count = 0
    steps_per_epoch: Count = 0
    schedule_start: Count = 0
    schedule_end: Count | None = None
    lr: float | None = None
    seconds: float = 0.0
    samples_per_second: float = 0.0
    memory: Count | None = None
    started: float | None = None
    ended: float | None = None
    heartbeat: float = 0.0
    process: Process | None = None
    waiting: Waiting | None = None
    slurm: SlurmJob | None = None
    train: Score | None = None
    validation: Score | None = None
    test: Score | None = None
    best: Best | None = None
    fitting: dict[str, int | bool | str] = {}

    @property
    def begun(self) -> int:
        """The number of epochs that have started."""
        return max(self.epoch, -(-self.step // self.steps_per_epoch)) if self.steps_per_epoch else self.epoch

    @property
    def active(self) -> bool:
        return self.status in ACTIVE

    @property
    def before_waiting(self) -> "State":
        """The state of a run that had begun before it waited; the present state of any other run."""
        waiting = self.waiting
        if self.status != "queued" or waiting is None or waiting.before == "queued":
            return self
        return structs.replace(self, status=waiting.before, reason=waiting.before_reason, waiting=None)


class Sample(Struct, frozen=True):
    """A thumbnail of an image of the split: `pixels` has height * width * channels bytes, with 1 or 3 channels.
    `probability` is that of the class `predicted`; `loss` is None if it was not finite or not stored. `file` is the
    path of the image relative to `data.dir`, or empty."""

    index: Count
    true: Count
    predicted: Count
    probability: float
    height: Count
    width: Count
    channels: Count
    pixels: bytes
    loss: float | None = None
    file: str = ""

    @property
    def true_probability(self) -> float | None:
        return None if self.loss is None else exp(-max(0.0, self.loss))


class Evaluation(Struct, frozen=True, kw_only=True):
    """evaluation/*.json: `confusion[true][predicted]` counts images.

    `worst` contains the wrong predictions with the highest loss, overall and of each of the most frequently confused
    pairs, highest loss first. `true` and `predicted` are the class indices of all images in the order of the split,
    (N,) uint16 little-endian, so that two runs can be compared image by image. `fingerprint` identifies these images;
    it is empty in evaluations by older versions, and `metrics` are None.
    """

    split: SplitName
    checkpoint: CheckpointName
    epoch: Count
    step: Count
    loss: float | None
    accuracy: float
    classes: list[str]
    confusion: list[list[Count]]
    worst: list[Sample] = field(default_factory=list)
    true: bytes = b""
    predicted: bytes = b""
    fingerprint: str = ""
    metrics: Metrics | None = None
