"""Working on a sweep: as many workers as it may have, replaced when they die, until every run has ended."""

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable

from msgspec import Struct

from tuitrain.errors import RunError
from tuitrain.runs.sweeps.folder import SweepFolder
from tuitrain.runs.sweeps.index import Outcome, SweepIndex, open_jobs
from tuitrain.runs.sweeps.records import Job, Record
from tuitrain.text import plain

# Seconds between two looks at the sweep, and between two signs of life.
POLL, BEAT = 0.3, 30.0
# Seconds that workers have to save their runs; then they are ended.
PATIENCE = 60.0
# A run whose worker died so often is given up.
DEATHS = 3


class _Worker(Struct):
    process: subprocess.Popen[bytes]
    device: str

    def let_go(self) -> None:
        """Have it save its run and end."""
        if self.process.stdin is not None:
            self.process.stdin.close()


class WorkerPool:
    """The workers of this process, as many and as long as the sweep says just now; `parallel` takes the place of its
    own number a device."""

    def __init__(self, folder: SweepFolder, parallel: int | None = None) -> None:
        self.folder = folder
        self.began = time.time()
        self.ending = threading.Event()
        self._parallel = parallel
        self._workers: list[_Worker] = []
        self._deaths: Counter[Job | None] = Counter()
        self._index = SweepIndex(folder)

    @property
    def _slots(self) -> list[str]:
        """The device of each worker that there may be."""
        options = self.folder.sweep().options
        return [device for device in options.devices or ("",) for _ in range(self._parallel or options.parallel)]

    @property
    def _until(self) -> float | None:
        minutes = self.folder.sweep().options.max_minutes
        return self.began + minutes * 60 if minutes else None

    @property
    def _late(self) -> bool:
        return self._until is not None and time.time() > self._until

    def run(self, seen: Callable[[list[Outcome]], None]) -> bool:
        """Work until every run has ended; whether they have. Tells `seen` now and then how far they are. Ends early
        when `ending` is set, the user asks the sweep to stop, or its time is used. Raises RunError."""
        beat = 0.0
        try:
            while True:
                if time.monotonic() - beat > BEAT:
                    self.folder.enter(self.began)
                    beat = time.monotonic()
                outcomes = self._index.refresh()
                seen(outcomes)
                if all(one.done for one in outcomes):
                    return True
                if self._over():
                    return False
                self._bury()
                self._dismiss_surplus()
                self._hire(outcomes)
                self.ending.wait(POLL)
        finally:
            self._dismiss()
            self.folder.leave()
            seen(self._index.refresh())

    def _over(self) -> bool:
        if self.ending.is_set() or self.folder.control().stopped > self.began:
            return True
        return self._late and not self._workers

    def _bury(self) -> None:
        """Workers that have ended, and what they left behind where they did not end well."""
        for worker in [worker for worker in self._workers if worker.process.poll() is not None]:
            self._workers.remove(worker)
            worker.let_go()
            if not worker.process.returncode:
                continue
            left = self.folder.left_by(worker.process.pid)
            self._deaths.update(left if left else (None,))
            if self._deaths[None] >= DEATHS:
                raise RunError(f"The sweep's workers end at once: {last_error(self.folder) or _last_line(self.folder)}")
            for job in left:
                if self._deaths[job] >= DEATHS:
                    run = self.folder.run(job)
                    self.folder.note(job, Record(run.id if run else "", f"Its process died {DEATHS} times."))

    def _stack(self, open_: int) -> int:
        """How many runs a new worker may train as one: no more than leaves each worker its share. After deaths all are
        trained alone, so that the run that ends its process is found, and the others are not given up with it."""
        if any(deaths == DEATHS - 1 for deaths in self._deaths.values()):
            return 1
        return min(self.folder.sweep().options.stack, -(-open_ // len(self._slots)))

    def _dismiss_surplus(self) -> None:
        """The newest of those that are more than there may be; another takes their runs up again."""
        room = Counter(self._slots)
        for worker in self._workers:
            if not room[worker.device]:
                worker.let_go()
            else:
                room[worker.device] -= 1

    def _hire(self, outcomes: list[Outcome]) -> None:
        """A worker for each open job that no idle worker is about to take, as far as there is room."""
        if self.folder.control().paused or self._late:
            return
        holders = [self.folder.holder(one.job) for one in outcomes if not one.done]
        busy = {holder.pid for holder in holders if holder is not None}
        idle = sum(worker.process.pid not in busy for worker in self._workers)
        left = len(open_jobs(self.folder, outcomes))
        wanted = min(len(self._slots) - len(self._workers), left - idle)
        free = Counter(self._slots) - Counter(worker.device for worker in self._workers)
        for device in list(free.elements())[: max(0, wanted)]:
            self._workers.append(_Worker(self._spawn(device, self._stack(left)), device))

    def _spawn(self, device: str, stack: int) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-P", "-m", "tuitrain", "sweep-work", str(self.folder.path.absolute())]
        command += ["--device", device] if device else []
        # A thread a core beside another trainer is the worst choice: see training/device.py.
        command += ["--threads", str(max(1, min(4, _cores() // len(self._slots))))] if len(self._slots) > 1 else []
        command += ["--stack", str(stack)] if stack > 1 else []
        command += ["--until", str(self._until)] if self._until else []
        try:
            with self.folder.log_file.open("ab") as log:
                # Its standard input is a pipe that nothing is written to: when this process ends, however that comes
                # about, the pipe does, and the worker saves its run.
                return subprocess.Popen(
                    command, stdin=subprocess.PIPE, stdout=log, stderr=log, start_new_session=True, close_fds=True
                )
        except OSError as error:
            raise RunError(f"No process can be started for the sweep: {error.strerror}.") from None

    def _dismiss(self) -> None:
        for worker in self._workers:
            worker.let_go()
        deadline = time.monotonic() + PATIENCE
        for worker in self._workers:
            with contextlib.suppress(subprocess.TimeoutExpired):
                worker.process.wait(max(0.0, deadline - time.monotonic()))
            if worker.process.poll() is None:
                worker.process.kill()
                worker.process.wait()
        self._workers.clear()


def start_sweep_in_background(folder: SweepFolder, parallel: int | None = None) -> None:
    """Work on the sweep in a process of its own, which outlives the terminal; returns once it has begun. Raises
    RunError where it does not come to that."""
    command = [sys.executable, "-P", "-m", "tuitrain", "sweep", str(folder.path.absolute())]
    command += ["--parallel", str(parallel)] if parallel else []
    try:
        with folder.log_file.open("ab") as log:
            child = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, close_fds=True
            )
    except OSError as error:
        raise RunError(f"No process can be started for the sweep: {error.strerror}.") from None
    deadline = time.monotonic() + PATIENCE
    while child.poll() is None and time.monotonic() < deadline:
        if any(session.process.pid == child.pid for session in folder.sessions()):
            return
        time.sleep(0.05)
    if child.poll() not in (None, 0):
        raise RunError(f"The sweep's process ended at once: {last_error(folder) or _last_line(folder)}")


def stop_sweep(folder: SweepFolder) -> None:
    """Ask all processes that work on the sweep to save their runs and end. Raises RunError."""
    folder.ask(stopped=time.time())


def last_error(folder: SweepFolder) -> str:
    """What the last process that worked on the sweep in the background ended with, where that was an error."""
    prefix = "tuitrain: "
    line = _last_line(folder)
    return plain(line.removeprefix(prefix)) if line.startswith(prefix) else ""


def _last_line(folder: SweepFolder) -> str:
    try:
        lines = folder.log_file.read_text(encoding="utf-8", errors="replace").splitlines() or [""]
    except OSError:
        return ""
    return plain(lines[-1])


def _cores() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1
