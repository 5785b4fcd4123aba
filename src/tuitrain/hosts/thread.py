"""A run in a thread of this process, owned by the host: screens come and go, the run stays."""

import threading

from tuitrain.errors import RunError, TuitrainError
from tuitrain.hosts.launch import Request, launch
from tuitrain.runs.control import send
from tuitrain.runs.folder import RunFolder
from tuitrain.text import plain


class Cancelled(Exception):
    """Preparing was called off; nothing was written."""


class ThreadHost:
    """Trains one run at a time. The attributes are written by the training thread and read by anyone.

    `doing` and `fraction` tell how far preparing is (None: unknown); `folder` is the run once it exists; `error`
    why preparing failed; `ended` is set when the thread has nothing more to do, also when it failed.
    """

    def __init__(self) -> None:
        self.doing = ""
        self.fraction: float | None = None
        self.folder: RunFolder | None = None
        self.error: TuitrainError | None = None
        self.ended = threading.Event()
        self.ended.set()
        self._cancelled = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def busy(self) -> bool:
        return not self.ended.is_set()

    def start(self, request: Request) -> None:
        """Raises RunError while another run is being prepared or trained here."""
        if self.busy:
            raise RunError("A run is training in this window.", "Wait for its end, or stop it first.")
        self.doing, self.fraction, self.folder, self.error = "starting", None, None, None
        self.ended.clear()
        self._cancelled.clear()
        self._thread = threading.Thread(target=self._work, args=(request,), name="training")
        self._thread.start()

    def cancel(self) -> None:
        """Call off preparing; a run that exists already is stopped, with a checkpoint."""
        self._cancelled.set()
        if self.folder is not None and self.busy:
            send(self.folder, "stop")

    def join(self, timeout: float | None = None) -> bool:
        """Wait for the end; whether it came. A training thread that lives at interpreter exit would abort it."""
        return self.ended.wait(timeout)

    def _work(self, request: Request) -> None:
        try:
            launch(request, self._progress, self._created)
        except Cancelled:
            pass
        except TuitrainError as error:
            self.error = error
        except Exception as error:
            self.error = TuitrainError(f"{type(error).__name__}: {plain(error)}")
        finally:
            self.ended.set()

    def _progress(self, doing: str, fraction: float | None) -> None:
        if self._cancelled.is_set():
            raise Cancelled
        self.doing, self.fraction = plain(doing, 120), fraction

    def _created(self, folder: RunFolder) -> None:
        self.folder = folder
        if self._cancelled.is_set():
            send(folder, "stop")
