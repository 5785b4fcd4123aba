"""What the JSON files of a run folder hold. Times are seconds since 1970, durations seconds."""

from math import exp, isfinite
from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from tuitrain.runs.process import Process

FORMAT = 1
# Numbers that a file may hold: a float can stand for each of them.
Count = Annotated[int, Meta(ge=0, le=2**53)]
Status = Literal["queued", "running", "paused", "finished", "stopped", "failed"]
# `interrupted` is never written: it is what a run is whose file says running and whose process is gone.
ShownStatus = Literal["queued", "running", "paused", "finished", "stopped", "failed", "interrupted", "damaged"]


class Score(Struct, frozen=True):
    """`accuracy` is a fraction 0..1; `loss` is None where it was not finite."""

    loss: float | None
    accuracy: float

    @property
    def measured(self) -> float | None:
        """The accuracy; None where another tool's run has none, which then is NaN."""
        return self.accuracy if isfinite(self.accuracy) else None


class Best(Struct, frozen=True):
    """The epoch with the lowest validation loss so far; `test` is measured at the end of the run."""

    epoch: Count
    step: Count
    validation: Score
    test: Score | None = None


class RunInfo(Struct, kw_only=True):
    """run.json: who the run is and what it was made with."""

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
    mean: list[float] = []
    std: list[float] = []
    data_notes: list[str] = []


class State(Struct, kw_only=True):
    """state.json: where the run stands. `epoch` counts whole epochs, `steps` is the whole run's, `seconds` is training
    time alone, `memory` bytes; `lr` is the learning rate that a user has set on the way, `not_continued` why the last
    attempt to train the run on came to nothing."""

    status: Status = "queued"
    phase: str = ""
    reason: str = ""
    not_continued: str = ""
    epoch: Count = 0
    epochs: Count = 0
    step: Count = 0
    steps: Count = 0
    steps_per_epoch: Count = 0
    lr: float | None = None
    seconds: float = 0.0
    samples_per_second: float = 0.0
    memory: Count | None = None
    started: float | None = None
    ended: float | None = None
    heartbeat: float = 0.0
    process: Process | None = None
    train: Score | None = None
    validation: Score | None = None
    test: Score | None = None
    best: Best | None = None

    @property
    def begun(self) -> int:
        """Epochs, with the one under way."""
        return max(self.epoch, -(-self.step // self.steps_per_epoch)) if self.steps_per_epoch else self.epoch

    @property
    def active(self) -> bool:
        return self.status in ("queued", "running", "paused")


class Sample(Struct, frozen=True):
    """An image of the split, drawn small: `pixels` are height * width * channels bytes, channels 1 or 3.

    `probability` is that of the class `predicted`; `loss` is None where it was not finite, or not kept.
    """

    index: Count
    true: Count
    predicted: Count
    probability: float
    height: Count
    width: Count
    channels: Count
    pixels: bytes
    loss: float | None = None

    @property
    def true_probability(self) -> float | None:
        return None if self.loss is None else exp(-max(0.0, self.loss))


class Evaluation(Struct, frozen=True, kw_only=True):
    """evaluation/*.json: `confusion[true][predicted]` counts images; `worst` are wrong answers, the highest loss
    first: the worst of all and the worst of each of the most frequent pairs.

    `true` and `predicted` are the class numbers of all images in the split's order, (N,) uint16 little-endian: two runs
    are compared image by image.
    """

    split: Literal["validation", "test"]
    checkpoint: Literal["last", "best"]
    epoch: Count
    step: Count
    loss: float | None
    accuracy: float
    classes: list[str]
    confusion: list[list[Count]]
    worst: list[Sample] = field(default_factory=list)
    true: bytes = b""
    predicted: bytes = b""
