"""Run a worker of a sweep in a Slurm job."""

import threading
import time
from contextlib import suppress
from pathlib import Path

from msgspec import structs

from tuitrain.errors import RunError
from tuitrain.files import replace
from tuitrain.hosts.resources import WorkerResources
from tuitrain.hosts.slurm.client import call
from tuitrain.hosts.slurm.job import ThisJob, ending_of, handle_signals, requeue, say
from tuitrain.hosts.sweeps.pool import HEARTBEAT
from tuitrain.hosts.sweeps.worker import Worker
from tuitrain.runs.files import read
from tuitrain.runs.process import this_process
from tuitrain.runs.sweeps.folder import SweepFolder
from tuitrain.runs.sweeps.index import Outcome, SweepIndex
from tuitrain.runs.waiting import change_state

# Seconds between two checks for a signal or a command.
POLL = 0.2


def work_in_job(path: Path, resources: WorkerResources, stack: int, allowed_key: str, stopped: float) -> int:
    """Run a worker in a job of the array and return the exit status. Save its runs before the job ends, and requeue the
    job if runs are left. `stopped` is the time of the last stop command before the submission; the other parameters are
    those of `Worker`."""
    folder, job = SweepFolder(path), ThisJob.read()
    minutes = folder.sweep().options.max_minutes
    worker = Worker(folder, resources, time.time() + minutes * 60 if minutes else None, stack, allowed_key)
    watcher = _Watcher(worker, folder, stopped)
    handle_signals(watcher.leave, watcher.leave)
    if watcher.is_stopped:
        return 0
    watcher.start()
    try:
        worker.run()
    finally:
        watcher.end()
    outcomes = SweepIndex(folder).refresh()
    _abandon(outcomes)
    if all(outcome.done for outcome in outcomes):
        folder.write_submission(None)
        return 0
    if not watcher.leaving or watcher.is_stopped:
        return 0
    return _requeue(folder, job, outcomes)


class _Watcher(threading.Thread):
    """Registers the worker as a session of the sweep, and stops it on a signal or when the user stops the sweep."""

    def __init__(self, worker: Worker, folder: SweepFolder, stopped: float) -> None:
        super().__init__(name="slurm", daemon=True)
        self._worker, self._folder, self._stopped = worker, folder, stopped
        self._began = time.time()
        self.leaving = self._ended = False

    def leave(self) -> None:
        # A signal handler must not take the locks that stopping takes.
        self.leaving = True

    @property
    def is_stopped(self) -> bool:
        return self._folder.control().stopped != self._stopped

    def run(self) -> None:
        last_heartbeat = 0.0
        while not self._ended:
            # A folder that cannot be read or written at this moment must not end the watch.
            with suppress(RunError):
                if not last_heartbeat or time.monotonic() - last_heartbeat > HEARTBEAT:
                    self._folder.update_session(self._began)
                    last_heartbeat = time.monotonic()
                if self.leaving or self.is_stopped:
                    self._worker.stop()
            time.sleep(POLL)

    def end(self) -> None:
        self._ended = True
        self.join()
        self._folder.remove_session()


def _abandon(outcomes: list[Outcome]) -> None:
    """Disown the runs of this process, so that other workers need not wait until its heartbeat is old."""
    for outcome in outcomes:
        if outcome.run and outcome.state and outcome.state.active and outcome.state.process == this_process():
            change_state(outcome.run, lambda state: structs.replace(state, process=None))


def _requeue(folder: SweepFolder, job: ThisJob, outcomes: list[Outcome]) -> int:
    ending = ending_of(job)
    if ending == "cancelled":
        say(f"Slurm job {job.id} was cancelled")
        return 0
    # The steps of all workers: as long as one makes progress, the sweep will end.
    progress = sum(outcome.state.step for outcome in outcomes if outcome.state)
    record = folder.path / f"slurm-{job.id}.steps"
    if record.exists() and read(record) == str(progress).encode():
        say(f"Slurm job {job.id} was requeued twice without completing a step: give it more time")
        if ending == "requeued":
            call("scancel", job.id)
        return 1
    replace(record, str(progress).encode())
    say(f"Slurm job {job.id} is requeued")
    if problem := requeue(job) if ending == "ending" else "":
        say(f"Slurm job {job.id} was not requeued: {problem}")
    return int(bool(problem))
