"""A worker of a sweep: one process that trains runs one after another, or together, so that torch is loaded once."""

import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from msgspec import Struct

from tuitrain.config.formatting import format_value
from tuitrain.config.schema import Config
from tuitrain.config.stackable import stacking_key
from tuitrain.config.sweeps.sweep import Values, short_names
from tuitrain.config.values import build_config, flatten
from tuitrain.errors import RunError, TuitrainError
from tuitrain.hosts.launch import RunSpec, create_run, resume_run, resume_stacked_runs
from tuitrain.hosts.sweeps.pruning import FinishedLosses, PruningInbox
from tuitrain.hosts.sweeps.sampling import report_outcomes, sample_values
from tuitrain.runs.control import Inbox
from tuitrain.runs.folder import RunFolder, new_id, shown_status
from tuitrain.runs.owner import HeldError
from tuitrain.runs.records import State
from tuitrain.runs.sweeps.folder import SweepError, SweepFolder
from tuitrain.runs.sweeps.index import SweepIndex, open_jobs, outcome
from tuitrain.runs.sweeps.records import Job, Record

# Seconds between two looks whether a paused sweep goes on.
WAIT = 0.5


class WorkerResources(Struct, frozen=True):
    """Where a worker trains: `device` and `threads` where the sweep's configuration says auto and none."""

    device: str = ""
    threads: int | None = None

    def apply(self, config: Config) -> Config:
        changes: dict[str, object] = {"training.device": self.device} if self.device else {}
        if config.training.threads is None and self.threads:
            changes["training.threads"] = self.threads
        return build_config(flatten(config) | changes)


class Worker:
    """Takes open jobs of the sweep until none is left, it is told to end, or the clock says `until`; `stack` of them at
    a time at most, where they can be trained as one."""

    def __init__(self, folder: SweepFolder, place: WorkerResources, until: float | None = None, stack: int = 1) -> None:
        self.folder, self._place, self._until, self._stack = folder, place, until, stack
        self._index = SweepIndex(folder)
        self._peers = FinishedLosses(SweepIndex(folder))
        self._ending = threading.Event()
        self._inboxes: list[Inbox] = []

    def end(self) -> None:
        """From any thread: save the runs that are being trained, let them go, and take no others."""
        self._ending.set()
        for inbox in self._inboxes:
            inbox.put("detach")

    def work(self) -> None:
        while not self._ending.is_set() and (self._until is None or time.time() < self._until):
            if self.folder.control().paused:
                self._ending.wait(WAIT)
                continue
            jobs = self._take()
            if not jobs:
                report_outcomes(self.folder, self._index.refresh())
                return
            try:
                self._do(jobs)
            finally:
                for job in jobs:
                    self.folder.let_go(job)

    def _do(self, jobs: list[Job]) -> None:
        from tuitrain.training.device import release_memory

        try:
            self._train(jobs)
            release_memory()
        except SweepError:
            raise
        except (TuitrainError, OSError) as error:
            if len(jobs) == 1:
                self._give_up(jobs[0], error)
                return
            # Which of them it is about shows when each is alone.
            for job in jobs:
                if not outcome(self.folder, job).done:
                    self._do([job])

    def _take(self) -> list[Job]:
        """The first open job and those that can be trained with it, held now; none where no job is open."""
        taken: list[Job] = []
        wanted: Config | None = None
        for job in open_jobs(self.folder, self._index.refresh()):
            kind = self._kind(job) if self._stack > 1 else None
            if (taken and kind != wanted) or not self._hold(job):
                continue
            taken.append(job)
            wanted = kind
            if wanted is None or len(taken) == self._stack:
                break
        return taken

    def _kind(self, job: Job) -> Config | None:
        """Equal for jobs that can be trained as one; None for one that is trained alone, also because it is not known
        yet what it is."""
        values = self.folder.values(job.trial)
        return None if values is None else stacking_key(self.folder.sweep().config(values, job.seed))

    def _hold(self, job: Job) -> bool:
        try:
            self.folder.hold(job)
        except HeldError:
            return False
        now = outcome(self.folder, job)
        # Between the look and the hold another worker may have done it.
        if now.done or now.status in ("running", "paused"):
            self.folder.let_go(job)
            return False
        return True

    def _train(self, jobs: list[Job]) -> None:
        runs = []
        for job in jobs:
            values = self.folder.values(job.trial)
            if values is None:
                values = sample_values(self.folder, job.trial, self._index.refresh())
            run = self.folder.run(job) or self._make(job, values)
            prune = self.folder.sweep().options.prune
            runs.append((run, PruningInbox(run, self._peers) if prune else Inbox(run)))
        self._inboxes = [inbox for _, inbox in runs]
        if self._ending.is_set():
            return
        try:
            if len(runs) > 1:
                resume_stacked_runs(runs, _say)
            else:
                run, inbox = runs[0]
                _say(run, resume_run(run, lambda what, fraction: None, inbox))  # noqa: ARG005
        finally:
            self._inboxes = []

    def _make(self, job: Job, values: Values) -> RunFolder:
        sweep = self.folder.sweep()
        name = _name(values, sweep.seed(values, job.seed))
        record = Record(run=new_id(name))
        # First the id, then the run: killed in between, there is an id without a run, never a run without a job.
        self.folder.note(job, record)
        return create_run(
            RunSpec(
                config=self._place.apply(sweep.config(values, job.seed)),
                runs_dir=self.folder.runs_dir,
                name=name,
                id=record.run,
                command=f"tuitrain sweep {self.folder.id}",
                tags=(f"sweep:{sweep.name}",),
                parent=self.folder.id,
            )
        )

    def _give_up(self, job: Job, error: Exception) -> None:
        """The job cannot be trained; where another process trains its run, that one will end it."""
        print(f"{job.key}: {error}")  # noqa: T201
        run = self.folder.run(job)
        try:
            if run is not None and shown_status(run.state()) != "interrupted" and run.state().active:
                return
        except RunError:
            pass
        self.folder.note(job, Record(run=run.id if run else "", problem=str(error)))


def _say(run: RunFolder, state: State) -> None:
    print(f"{run.id}: {state.status} {state.reason}".rstrip(), flush=True)  # noqa: T201


def _name(values: Values, seed: int) -> str:
    """`adam-relu-lr-0.001-s0`: what is no word says nothing without its key."""
    short = short_names(list(values))
    texts = {key: f"{value:.3g}" if isinstance(value, float) else format_value(value) for key, value in values.items()}
    parts = [text if isinstance(values[key], str) else f"{short[key]}-{text}" for key, text in texts.items()]
    return "-".join([*parts, f"s{seed}"])


def run_worker(path: Path, place: WorkerResources, until: float | None, stack: int, lifeline: BinaryIO) -> None:
    """The whole life of a worker's process; when `lifeline` ends, because the process at its other end closed it or is
    gone, the worker saves its run and ends."""
    worker = Worker(SweepFolder(path), place, until, stack)
    threading.Thread(target=_listen, args=(lifeline, worker.end), name="lifeline", daemon=True).start()
    # Loaded before a job is taken: loading takes seconds.
    import tuitrain.training.stacking.loop  # noqa: F401

    worker.work()
    sys.stdout.flush()


def _listen(lifeline: BinaryIO, end: Callable[[], None]) -> None:
    lifeline.read()
    end()
