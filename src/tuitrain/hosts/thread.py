"""A run in a thread of this process, owned by the host: screens come and go, the run stays."""

import sys
import threading
from collections.abc import Callable

from tuitrain.errors import RunError, TuitrainError
from tuitrain.hosts.background import resume_in_background, start_in_background
from tuitrain.hosts.launch import RunSpec, resume_run, train_new_run
from tuitrain.hosts.preload import load_libraries
from tuitrain.runs.control import Inbox
from tuitrain.runs.folder import RunFolder
from tuitrain.text import plain


class Cancelled(Exception):
    """Preparing was called off; nothing was written."""


class ThreadHost:
    """Trains one run at a time. The attributes are written by the training thread and read by anyone.

    `doing` and `fraction` tell how far preparing is (None: unknown); `folder` is the run once it exists; `error`
    why preparing or handing over failed; `ended` is set when the thread has nothing more to do, also when it failed.
    """

    def __init__(self) -> None:
        self.activity = ""
        self.fraction: float | None = None
        self.folder: RunFolder | None = None
        self.error: TuitrainError | None = None
        self.ended = threading.Event()
        self.ended.set()
        self._cancelled = threading.Event()
        self._detached = threading.Event()
        self._inbox: Inbox | None = None

    @property
    def in_background(self) -> bool:
        """Whether the run goes on in a process of its own."""
        return not self.busy and self._detached.is_set() and self.folder is not None and self.folder.state().active

    @property
    def busy(self) -> bool:
        return not self.ended.is_set()

    def start(self, request: RunSpec) -> None:
        """Raises RunError while another run is being prepared or trained here."""
        self._begin(lambda: self._launch(request), None)

    def resume(self, folder: RunFolder, epochs: int | None = None) -> None:
        """Train a run on. Raises RunError while another one is being trained here."""
        self._begin(lambda: self._resume(folder, epochs), folder)

    def cancel(self) -> None:
        """Call off preparing; a run that exists already is stopped, with a checkpoint."""
        self._cancelled.set()
        if self._inbox is not None:
            self._inbox.put("stop")

    def detach(self) -> None:
        """Hand the run over to a process of its own, without losing a step; also one that is only being prepared."""
        self._detached.set()
        if self._inbox is not None:
            self._inbox.put("detach")

    def pop_error(self) -> TuitrainError | None:
        """`error`, for whoever tells the user of it, who is told once."""
        error, self.error = self.error, None
        return error

    def join(self, timeout: float | None = None) -> bool:
        """Wait for the end; whether it came. A training thread that lives at interpreter exit would abort it."""
        return self.ended.wait(timeout)

    def _begin(self, job: Callable[[], None], folder: RunFolder | None) -> None:
        if self.busy:
            raise RunError(
                "A run is training in this window.", "Wait for its end, stop it, or put it in the background."
            )
        self.activity, self.fraction, self.folder, self.error, self._inbox = "starting", None, folder, None, None
        for event in (self.ended, self._cancelled, self._detached):
            event.clear()
        threading.Thread(target=self._work, args=(job,), name="training").start()

    def _work(self, job: Callable[[], None]) -> None:
        try:
            load_libraries()
            job()
            _release()
            if self.folder is not None and self._detached.is_set() and self.folder.state().status == "queued":
                resume_in_background(self.folder, since=self._inbox.read_to if self._inbox else None)
        except Cancelled:
            pass
        except TuitrainError as error:
            self.error = error
        except Exception as error:
            self.error = TuitrainError(f"{type(error).__name__}: {plain(error)}")
        finally:
            self._inbox = None
            self.ended.set()

    def _launch(self, request: RunSpec) -> None:
        try:
            train_new_run(request, self._progress, self._created)
        except Cancelled:
            if self._detached.is_set() and not self._cancelled.is_set():
                self.folder = start_in_background(request)

    def _resume(self, folder: RunFolder, epochs: int | None) -> None:
        inbox = Inbox(folder)
        self._created(folder, inbox)
        resume_run(folder, self._say, inbox, epochs)

    def _progress(self, doing: str, fraction: float | None) -> None:
        if self._cancelled.is_set() or self._detached.is_set():
            raise Cancelled
        self._say(doing, fraction)

    def _say(self, doing: str, fraction: float | None) -> None:
        self.activity, self.fraction = plain(doing, 120), fraction

    def _created(self, folder: RunFolder, inbox: Inbox) -> None:
        self._inbox = inbox
        self.folder = folder
        # What was asked for while there was no inbox yet.
        if self._cancelled.is_set():
            inbox.put("stop")
        elif self._detached.is_set():
            inbox.put("detach")


def _release() -> None:
    # Where a run is called off and handed over before it was prepared, torch is not loaded for this.
    if "torch" in sys.modules:
        from tuitrain.training.device import release_memory

        release_memory()
