"""Train a run in a thread of this process, independent of the screens that show it."""

import sys
import threading
from collections.abc import Callable

from tuitrain.config.code import pinned, sources_of
from tuitrain.config.schedule import Extension
from tuitrain.config.values import flatten
from tuitrain.errors import RunError, TuitrainError
from tuitrain.hosts.background import resume_in_background
from tuitrain.hosts.launch import RunSpec, create_run, resume_run, train_new_run
from tuitrain.hosts.preload import check_working_folder, load_libraries
from tuitrain.hosts.trust import check_run, code_key, config_code
from tuitrain.machine import gpu_lock
from tuitrain.runs.control import Inbox, send
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.records import State
from tuitrain.text import plain


class Cancelled(Exception):
    """Preparation was cancelled before the run was created."""


class ThreadHost:
    """Trains one run at a time in a thread. Only that thread writes the public attributes; any thread may read them.

    `activity` and `fraction` describe the progress of the preparation; None: unknown. `folder` is the run once it
    exists. `error` is the reason if the preparation or the move to the background failed. `ended` is set when no run
    is prepared or trained, also after a failure.
    """

    def __init__(self) -> None:
        self.activity = ""
        self.fraction: float | None = None
        self.folder: RunFolder | None = None
        self.error: TuitrainError | None = None
        self.ended = threading.Event()
        self.ended.set()
        # No events: setting one takes a lock, and the thread that a signal interrupts may hold it.
        self._cancelled = self._detached = False
        self._inbox: Inbox | None = None
        # The `code_key` of the code that may run, to pass to another process.
        self._allowed_key = ""
        # The new number of epochs and the schedule of a resumed run, until it has begun to train.
        self._extension: tuple[int | None, Extension] = None, "stretch"

    @property
    def in_background(self) -> bool:
        """Whether the last run keeps training in a background process."""
        return not self.busy and self._detached and self.folder is not None and self.folder.state().active

    @property
    def busy(self) -> bool:
        return not self.ended.is_set()

    def start(self, spec: RunSpec) -> None:
        """Create and train a run. Raise RunError if another run is being prepared or trained."""
        self._start_thread(lambda: self._train_new_run(spec), None)

    def resume(
        self, folder: RunFolder, epochs: int | None = None, allowed_key: str = "", schedule: Extension = "stretch"
    ) -> None:
        """Resume a run; see `resume_run`. Raise RunError if another run is being prepared or trained."""
        self._start_thread(lambda: self._resume(folder, epochs, allowed_key, schedule), folder)

    def cancel(self) -> None:
        """Cancel the preparation, or stop the run with a checkpoint if it exists already. Signal handlers may call
        this."""
        self._cancelled = True
        if self._inbox is not None:
            self._inbox.put("stop")

    def detach(self) -> None:
        """Move the run to a background process without losing a step, also during its preparation. Signal handlers may
        call this."""
        self._detached = True
        if self._inbox is not None:
            self._inbox.put("detach")

    def pop_error(self) -> TuitrainError | None:
        """Return `error` and clear it, so that the user sees it once."""
        error, self.error = self.error, None
        return error

    def join(self, timeout: float | None = None) -> bool:
        """Wait up to `timeout` seconds for the thread; return whether it has ended. Call this before the program exits:
        a training thread that outlives the interpreter aborts the process."""
        return self.ended.wait(timeout)

    def _start_thread(self, target: Callable[[], State | None], folder: RunFolder | None) -> None:
        if self.busy:
            raise RunError("This app is training a run.", "Wait until it ends, stop it, or move it to the background.")
        self.activity, self.fraction, self.folder, self.error, self._inbox = "starting", None, folder, None, None
        self._cancelled = self._detached = False
        self.ended.clear()
        threading.Thread(target=self._run, args=(target,), name="training").start()

    def _run(self, target: Callable[[], State | None]) -> None:
        try:
            check_working_folder()
            load_libraries()
            state = target()
            _release_device()
            if state is not None and state.status == "queued":
                self._hand_over()
        except Cancelled:
            pass
        except TuitrainError as error:
            self.error = error
        except (Exception, SystemExit) as error:
            self.error = TuitrainError(f"{type(error).__name__}: {plain(error)}")
        finally:
            self._inbox = None
            self.ended.set()

    def _train_new_run(self, spec: RunSpec) -> State | None:
        """Return the state in which the run left this process; None if it did not begin here."""
        self._extension = None, "stretch"

        def created(folder: RunFolder, inbox: Inbox) -> None:
            # The thread that prepared the run has pinned the user's files.
            self._allowed_key = code_key(config_code(folder.config()))
            self._on_created(folder, inbox)

        try:
            return train_new_run(spec, self._report_or_cancel, created)
        except Cancelled:
            if not self._cancelled:
                with pinned(sources_of(flatten(spec.config))):
                    self.folder = create_run(spec)
                    self._allowed_key = code_key(config_code(self.folder.config()))
                self._hand_over()
            return None

    def _resume(self, folder: RunFolder, epochs: int | None, allowed_key: str, schedule: Extension) -> State:
        inbox = Inbox(folder)
        self._on_created(folder, inbox)
        self._allowed_key = allowed_key or check_run(folder)[0]
        step = folder.state().step
        self._extension = epochs, schedule
        state = resume_run(folder, self._report, inbox, epochs, allowed_key=self._allowed_key, schedule=schedule)
        if state.step != step:
            self._extension = None, "stretch"
        return state

    def _hand_over(self) -> None:
        """Start a background process for a run that has left this process or has not begun."""
        assert self.folder is not None
        epochs, schedule = self._extension
        if epochs == self.folder.state().epochs:
            epochs = None  # The checkpoint contains them.
        since = self._inbox.read_to if self._inbox else 0
        resume_in_background(self.folder, epochs, since, allowed_key=self._allowed_key, schedule=schedule)
        if self._cancelled:
            # The stop came while the new process started.
            send(self.folder, "stop")

    def _report_or_cancel(self, activity: str, fraction: float | None) -> None:
        if self._cancelled or self._detached:
            raise Cancelled
        self._report(activity, fraction)

    def _report(self, activity: str, fraction: float | None) -> None:
        self.activity, self.fraction = plain(activity, 120), fraction

    def _on_created(self, folder: RunFolder, inbox: Inbox) -> None:
        self._inbox = inbox
        self.folder = folder
        # Send the command given before the inbox existed.
        if self._cancelled:
            inbox.put("stop")
        elif self._detached:
            inbox.put("detach")


def _release_device() -> None:
    gpu_lock.release()
    # A run cancelled or moved to the background early does not need torch in this process.
    if "torch" in sys.modules:
        from tuitrain.training.device import release_memory

        release_memory()
