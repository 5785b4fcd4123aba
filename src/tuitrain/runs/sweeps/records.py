"""The contents of the files in a sweep folder. Times are in seconds since 1970."""

from typing import Any

from msgspec import Struct

from tuitrain.runs.process import Process


class Job(Struct, frozen=True):
    """One run of a trial: the numbers of the trial and of its seed, or of seed and fold, each counted from 0."""

    trial: int
    seed: int

    @property
    def key(self) -> str:
        return f"{self.trial:04}-{self.seed}"


class Record(Struct, frozen=True):
    """jobs/*.json: `run` is the id of the run, which may not exist yet; `problem` is the reason why the job failed."""

    run: str = ""
    problem: str = ""


class Sample(Struct, frozen=True):
    """trials/*.json: the sampled values of a trial, and its number in Optuna's study."""

    values: dict[str, Any]
    number: int


class Control(Struct, frozen=True):
    """control.json: `stopped` is the time of the last stop command, and sessions end when it changes. `first` contains
    the keys of the jobs to run first."""

    paused: bool = False
    stopped: float = 0.0
    first: tuple[str, ...] = ()


class Submission(Struct, frozen=True):
    """slurm.json: the Slurm job array whose tasks will work on the sweep, and the `reason` why none has started."""

    job: str
    since: float
    cluster: str = ""
    reason: str = ""


class Session(Struct, frozen=True):
    """sessions/*.json: a process that works on the sweep."""

    process: Process
    began: float
    heartbeat: float
