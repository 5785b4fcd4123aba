"""What the files of a sweep's folder hold. Times are seconds since 1970."""

from typing import Any

from msgspec import Struct

from tuitrain.runs.process import Process


class Job(Struct, frozen=True):
    """One run of a trial; both count from 0."""

    trial: int
    seed: int

    @property
    def key(self) -> str:
        return f"{self.trial:04}-{self.seed}"


class Record(Struct, frozen=True):
    """jobs/*.json: `run` is the id of the job's run, perhaps not made yet; `problem` why it was given up."""

    run: str = ""
    problem: str = ""


class Sample(Struct, frozen=True):
    """trials/*.json: `number` is the trial's in Optuna's study."""

    values: dict[str, Any]
    number: int


class Control(Struct, frozen=True):
    """`stopped`: sessions that began before then, in seconds since 1970, end; `first` are keys of jobs to do before
    all others."""

    paused: bool = False
    stopped: float = 0.0
    first: tuple[str, ...] = ()


class Session(Struct, frozen=True):
    """sessions/*.json; times are seconds since 1970."""

    process: Process
    began: float
    heartbeat: float
