"""A worker process of a sweep: it trains runs one after another, or stacked, and loads torch only once."""

import sys
import threading
import time
from collections.abc import Callable, Iterable
from math import inf
from pathlib import Path
from typing import BinaryIO

from tuitrain.config.code import Code, short_name
from tuitrain.config.data.folds import Fold
from tuitrain.config.formatting import format_value
from tuitrain.config.schema import Config
from tuitrain.config.stackable import stacking_key
from tuitrain.config.sweeps.sweep import Sweep, Values, short_names
from tuitrain.errors import RunError, TuitrainError
from tuitrain.hosts.launch import RunSpec, create_run, resume_run, resume_stacked_runs
from tuitrain.hosts.resources import WorkerResources
from tuitrain.hosts.sweeps.pruning import FinishedLosses, PruningInbox
from tuitrain.hosts.sweeps.sampling import report_outcomes, sample_values
from tuitrain.hosts.trust import (
    check,
    code_key,
    config_code,
    run_code,
    sweep_code,
    sweep_key,
    sweep_origin,
    unknown_code,
)
from tuitrain.runs.control import Inbox
from tuitrain.runs.folder import RunFolder, new_id, shown_status
from tuitrain.runs.owner import OwnedError
from tuitrain.runs.records import State
from tuitrain.runs.sweeps.claims import claim_job, release_job
from tuitrain.runs.sweeps.folder import SweepError, SweepFolder
from tuitrain.runs.sweeps.index import SweepIndex, open_jobs, outcome
from tuitrain.runs.sweeps.records import Job, Record

# Seconds between two checks whether a paused sweep was resumed.
PAUSE_POLL = 0.5


class Worker:
    """Trains open jobs of a sweep until none is left, `stop` is called, or the time `until` has come. Trains up to
    `stack` jobs at once if they can be stacked. `allowed_key` is the `sweep_key` of code that the user has allowed."""

    def __init__(
        self,
        folder: SweepFolder,
        resources: WorkerResources,
        until: float | None = None,
        stack: int = 1,
        allowed_key: str = "",
    ) -> None:
        code = sweep_code(folder.sweep())
        # The user may edit their files, or extend the sweep, while it runs.
        self._allowed = code if allowed_key == sweep_key(code) else []
        self.folder, self._resources, self._stack = folder, resources, stack
        # The time of day may be set meanwhile.
        self._deadline = inf if until is None else time.monotonic() + until - time.time()
        self._index = SweepIndex(folder)
        self._finished = FinishedLosses(SweepIndex(folder))
        self._stopping = threading.Event()
        self._inboxes: list[Inbox] = []

    def stop(self) -> None:
        """Save the current runs, leave them to other workers and claim no more jobs. Callable from any thread."""
        self._stopping.set()
        for inbox in self._inboxes:
            inbox.put("detach")

    def run(self) -> None:
        while not self._stopping.is_set() and time.monotonic() < self._deadline:
            if self.folder.control().paused:
                self._stopping.wait(PAUSE_POLL)
                continue
            jobs = self._claim_jobs()
            if not jobs:
                report_outcomes(self.folder, self._index.refresh())
                return
            try:
                self._train_jobs(jobs)
            finally:
                for job in jobs:
                    release_job(self.folder, job)

    def _train_jobs(self, jobs: list[Job]) -> None:
        from tuitrain.training.device import release_memory

        try:
            self._create_and_train(jobs)
            release_memory()
        except SweepError:
            raise
        except (TuitrainError, OSError) as error:
            if len(jobs) == 1:
                self._give_up(jobs[0], error)
                return
            # Train each job alone to find the one that fails.
            for job in jobs:
                if not outcome(self.folder, job).done:
                    self._train_jobs([job])

    def _claim_jobs(self) -> list[Job]:
        """Claim the first open job and those that can be stacked with it; return nothing if no job is open."""
        claimed: list[Job] = []
        first_key: Config | None = None
        for job in open_jobs(self.folder, self._index.refresh()):
            key = self._stacking_key(job) if self._stack > 1 else None
            if (claimed and key != first_key) or not self._claim(job):
                continue
            claimed.append(job)
            first_key = key
            if first_key is None or len(claimed) == self._stack:
                break
        return claimed

    def _stacking_key(self, job: Job) -> Config | None:
        """Return a key that is equal for jobs that can be stacked; None if the job cannot, or is not sampled yet."""
        values = self.folder.values(job.trial)
        return None if values is None else stacking_key(self.folder.sweep().config(values, job.seed))

    def _claim(self, job: Job) -> bool:
        try:
            claim_job(self.folder, job)
        except OwnedError:
            return False
        # Another worker may have trained the job before this one claimed it.
        current = outcome(self.folder, job)
        if current.done or current.status in ("running", "paused"):
            release_job(self.folder, job)
            return False
        return True

    def _create_and_train(self, jobs: list[Job]) -> None:
        runs, keys = [], []
        for job in jobs:
            values = self.folder.values(job.trial)
            if values is None:
                values = sample_values(self.folder, job.trial, self._index.refresh())
            run = self.folder.run(job) or self._create_run(job, values)
            prune = self.folder.sweep().options.prune
            keys.append(self._run_key(run))
            runs.append((run, PruningInbox(run, self._finished) if prune else Inbox(run)))
        self._inboxes = [inbox for _, inbox in runs]
        if self._stopping.is_set():
            return
        try:
            if len(runs) > 1:
                resume_stacked_runs(runs, _log_end, keys)
            else:
                run, inbox = runs[0]
                _log_end(run, resume_run(run, lambda *_: None, inbox, allowed_key=keys[0]))
        finally:
            self._inboxes = []

    def _run_key(self, run: RunFolder) -> str:
        """Return the `code_key` of a run if the sweep may run all its code, otherwise an empty string."""
        code, unknown, key = run_code(run)
        # The copies in a folder from elsewhere may contain other code than the files that the sweep names.
        copies_allowed = not unknown or key == code_key(code)
        return key if copies_allowed and self._may_run(code) else ""

    def _may_run(self, code: Iterable[Code]) -> bool:
        others = [item for item in code if item not in self._allowed]
        return not unknown_code(sweep_origin(self.folder), others, contents=False)

    def _create_run(self, job: Job, values: Values) -> RunFolder:
        config = self.folder.sweep().config(values, job.seed)
        if not self._may_run(config_code(config)):
            check(sweep_origin(self.folder), config_code(config))
        return create_job_run(self.folder, job, values, self._resources)

    def _give_up(self, job: Job, error: Exception) -> None:
        """Record that the job cannot be trained, unless another process is training its run."""
        print(f"{job.key}: {error}")  # noqa: T201
        run = self.folder.run(job)
        try:
            if run is not None and shown_status(run.state()) != "interrupted" and run.state().active:
                return
        except RunError:
            pass
        self.folder.write_record(job, Record(run=run.id if run else "", problem=str(error)))


def create_job_run(
    folder: SweepFolder, job: Job, values: Values, resources: WorkerResources | None = None
) -> RunFolder:
    """Create the run of a job, whose code the user has allowed."""
    sweep = folder.sweep()
    config = sweep.config(values, job.seed)
    name = _run_name(sweep, values, job)
    record = Record(run=new_id(name, folder.runs_dir))
    # The id is recorded first: if killed in between, the sweep has an id without a run, never an unknown run.
    folder.write_record(job, record)
    return create_run(
        RunSpec(
            config=resources.apply(config) if resources else config,
            runs_dir=folder.runs_dir,
            name=name,
            id=record.run,
            command=f"tuitrain sweep {folder.id}",
            tags=(f"sweep:{sweep.name}",),
            parent=folder.id,
        )
    )


def _log_end(run: RunFolder, state: State) -> None:
    print(f"{run.id}: {state.status} {state.reason}".rstrip(), flush=True)  # noqa: T201


def _run_name(sweep: Sweep, values: Values, job: Job) -> str:
    """Return a name such as `adam-relu-lr-0.001-s0`: numbers and switches follow their key, words stand alone. The
    second fold adds `-f2`; the name of a cross-validation without other settings comes first."""
    seed, fold = sweep.seed(values, job.seed), sweep.fold(job.seed)
    values = sweep.used(values)
    short = short_names(list(values))
    texts = {key: _brief(value) for key, value in values.items()}
    parts = [text if isinstance(values[key], str) else f"{short[key]}-{text}" for key, text in texts.items()]
    if fold:
        return "-".join([*(parts or [sweep.name]), f"s{seed}", f"f{Fold.parse(fold).number}"])
    return "-".join([*parts, f"s{seed}"])


def _brief(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.3g}"
    return short_name(value) if isinstance(value, str) else format_value(value)


def run_worker(
    path: Path, resources: WorkerResources, until: float | None, stack: int, lifeline: BinaryIO, allowed_key: str
) -> None:
    """Run a worker in this process; stop it when the pipe `lifeline` is closed by the pool or by the pool's death."""
    worker = Worker(SweepFolder(path), resources, until, stack, allowed_key)
    threading.Thread(target=_stop_at_eof, args=(lifeline, worker.stop), name="lifeline", daemon=True).start()
    # torch takes seconds to load; load it before claiming a job.
    import tuitrain.training.stacking.loop  # noqa: F401

    worker.run()
    sys.stdout.flush()


def _stop_at_eof(lifeline: BinaryIO, stop: Callable[[], None]) -> None:
    lifeline.read()
    stop()
