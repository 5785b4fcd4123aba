"""Run a sweep: start worker processes, and replace those that die, until every run has ended."""

import contextlib
import math
import subprocess
import time
from collections import Counter
from collections.abc import Callable

from msgspec import Struct

from tuitrain.errors import RunError
from tuitrain.hosts.subprocesses import last_line, start_detached
from tuitrain.runs.process import available_cores
from tuitrain.runs.sweeps.claims import abandoned_jobs, job_owner
from tuitrain.runs.sweeps.folder import SweepFolder
from tuitrain.runs.sweeps.index import Outcome, SweepIndex, open_jobs
from tuitrain.runs.sweeps.records import Job, Record

# Seconds between two polls of the sweep, and between two heartbeats.
POLL, HEARTBEAT = 0.3, 30.0
# Seconds that workers have to save their runs before they are killed.
STOP_TIMEOUT = 60.0
# Number of workers that may die while training a run before the run is given up.
MAX_DEATHS = 3


class _Worker(Struct):
    process: subprocess.Popen[bytes]
    device: str

    def stop(self) -> None:
        """Make the worker save its runs and exit."""
        if self.process.stdin is not None:
            self.process.stdin.close()


class WorkerPool:
    """The worker processes of one sweep, adapted while it runs to its current options. `parallel` replaces the sweep's
    own number of workers per device. `allowed_key` is the `code_key` of code that the user has allowed. Set
    `stopping` to end the pool."""

    def __init__(self, folder: SweepFolder, parallel: int | None = None, allowed_key: str = "") -> None:
        self.folder = folder
        self.started = time.time()
        # Unlike the time of day, this clock is never set.
        self._clock_started = time.monotonic()
        self._stopped_before = folder.control().stopped
        self.stopping = False
        self._parallel, self._allowed_key = parallel, allowed_key
        self._workers: list[_Worker] = []
        self._deaths: Counter[Job | None] = Counter()
        self._index = SweepIndex(folder)

    @property
    def _slots(self) -> list[str]:
        """The device of each worker that may run at the same time."""
        options = self.folder.sweep().options
        return [device for device in options.devices or ("",) for _ in range(self._parallel or options.parallel)]

    @property
    def _seconds_left(self) -> float:
        """The seconds in which runs may still start."""
        minutes = self.folder.sweep().options.max_minutes
        return self._clock_started + minutes * 60 - time.monotonic() if minutes else math.inf

    def run(self, on_poll: Callable[[list[Outcome]], None]) -> bool:
        """Run the sweep and return whether every run has ended; call `on_poll` after each poll.

        Return early if `stopping` is set, the user stops the sweep, or its time is over. Raise RunError if workers
        cannot be started or keep dying at once.
        """
        self.folder.check_own_files()
        last_heartbeat = 0.0
        try:
            while True:
                if time.monotonic() - last_heartbeat > HEARTBEAT:
                    self.folder.update_session(self.started)
                    last_heartbeat = time.monotonic()
                outcomes = self._index.refresh()
                on_poll(outcomes)
                if all(outcome.done for outcome in outcomes):
                    return True
                if self._should_stop():
                    return False
                self._remove_dead_workers()
                self._stop_surplus_workers()
                self._start_workers(outcomes)
                time.sleep(POLL)
        finally:
            self._stop_workers()
            self.folder.remove_session()
            on_poll(self._index.refresh())

    def _should_stop(self) -> bool:
        if self.stopping or self.folder.control().stopped != self._stopped_before:
            return True
        return self._seconds_left < 0 and not self._workers

    def _remove_dead_workers(self) -> None:
        """Remove workers that have exited; give up runs whose workers died too often."""
        for worker in [worker for worker in self._workers if worker.process.poll() is not None]:
            self._workers.remove(worker)
            worker.stop()
            if not worker.process.returncode:
                continue
            abandoned = abandoned_jobs(self.folder, worker.process.pid)
            self._deaths.update(abandoned if abandoned else (None,))
            if self._deaths[None] >= MAX_DEATHS:
                reason = last_line(self.folder.log_file).removeprefix("tuitrain: ")
                raise RunError(f"The sweep's workers ended during their start: {reason}")
            for job in abandoned:
                if self._deaths[job] >= MAX_DEATHS:
                    run = self.folder.run(job)
                    problem = f"Its process died {MAX_DEATHS} times."
                    self.folder.write_record(job, Record(run.id if run else "", problem))

    def _stack_size(self, open_count: int) -> int:
        """Return how many of the open runs a new worker may train stacked, so that all workers get an equal share. If a
        run is about to be given up, return 1: alone, the run that kills its worker is identified."""
        if any(deaths == MAX_DEATHS - 1 for deaths in self._deaths.values()):
            return 1
        return min(self.folder.sweep().options.stack, -(-open_count // len(self._slots)))

    def _stop_surplus_workers(self) -> None:
        """Stop the newest workers beyond the current limit; other workers resume their runs."""
        free = Counter(self._slots)
        for worker in self._workers:
            if not free[worker.device]:
                worker.stop()
            else:
                free[worker.device] -= 1

    def _start_workers(self, outcomes: list[Outcome]) -> None:
        """Start one worker per open job that no idle worker is about to claim, up to the limit."""
        if self.folder.control().paused or self._seconds_left < 0:
            return
        owners = [job_owner(self.folder, outcome.job) for outcome in outcomes if not outcome.done]
        busy = {owner.pid for owner in owners if owner is not None}
        idle = sum(worker.process.pid not in busy for worker in self._workers)
        open_count = len(open_jobs(self.folder, outcomes))
        missing = min(len(self._slots) - len(self._workers), open_count - idle)
        free = Counter(self._slots) - Counter(worker.device for worker in self._workers)
        for device in list(free.elements())[: max(0, missing)]:
            self._workers.append(_Worker(self._start_worker(device, self._stack_size(open_count)), device))

    def _start_worker(self, device: str, stack: int) -> "subprocess.Popen[bytes]":
        arguments = ["sweep-work", str(self.folder.path.absolute())]
        arguments += ["--device", device] if device else []
        slots = len(self._slots)
        # Concurrent workers share the cores: more threads than cores slow all of them down (see training/device.py).
        arguments += ["--threads", str(max(1, min(4, available_cores() // slots)))] if slots > 1 else []
        arguments += ["--allowed", self._allowed_key] if self._allowed_key else []
        arguments += ["--stack", str(stack)] if stack > 1 else []
        arguments += ["--until", str(time.time() + self._seconds_left)] if self._seconds_left < math.inf else []
        # Standard input is a pipe without data. It closes when this process ends in any way; then the worker saves its
        # runs and exits.
        return start_detached(arguments, self.folder.log_file, stdin=subprocess.PIPE)

    def _stop_workers(self) -> None:
        for worker in self._workers:
            worker.stop()
        deadline = time.monotonic() + STOP_TIMEOUT
        for worker in self._workers:
            with contextlib.suppress(subprocess.TimeoutExpired):
                worker.process.wait(max(0.0, deadline - time.monotonic()))
            if worker.process.poll() is None:
                worker.process.kill()
                worker.process.wait()
        self._workers.clear()
