"""The line below a form: what became of it, and how far a start is."""

from collections.abc import Callable

from textual import work
from textual.content import Content
from textual.message import Message
from textual.widgets import Static

from tuitrain.errors import TuitrainError
from tuitrain.hosts.launch import RunSpec
from tuitrain.hosts.thread import ThreadHost
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.sweeps.folder import SweepFolder
from tuitrain.text import plain

BAR = 24


class StartLine(Static):
    """Starts one thing at a time; `tick` looks how far it is, and tells by a message how it went.

    `preparing` in this app, which can be called off, or `waiting` for another process, which needs the app no more.
    """

    class Begun(Message):
        def __init__(self, folder: RunFolder | SweepFolder) -> None:
            super().__init__()
            self.folder = folder

    class Failed(Message):
        """`error` None: called off."""

        def __init__(self, error: TuitrainError | None) -> None:
            super().__init__()
            self.error = error

    def __init__(self, host: ThreadHost) -> None:
        super().__init__(id="message")
        self._host = host
        self.preparing = self.waiting = self._called_off = False
        self._found: RunFolder | SweepFolder | TuitrainError | None = None

    @property
    def busy(self) -> bool:
        return self.preparing or self.waiting

    def say(self, words: str, style: str = "$text-error") -> None:
        self.display = bool(words)
        self.update(Content.assemble((words, style)))

    def here(self, spec: RunSpec) -> None:
        """Raises RunError where the host has a run."""
        self._host.start(spec)
        self.preparing, self._called_off = True, False
        self.tick()

    def elsewhere(self, begin: Callable[[], RunFolder | SweepFolder]) -> None:
        """`begin` may take seconds, and raise TuitrainError."""
        self.waiting, self._found = True, None
        self._begin(begin)
        self.tick()

    @work(thread=True, exit_on_error=False)
    def _begin(self, begin: Callable[[], RunFolder | SweepFolder]) -> None:
        try:
            self._found = begin()
        except TuitrainError as error:
            self._found = error
        except Exception as error:
            self._found = TuitrainError(f"{type(error).__name__}: {plain(error)}")
        if isinstance(self._found, TuitrainError) and not self.is_attached:
            self.app.call_from_thread(self.app.notify, str(self._found), severity="error", markup=False)

    def cancel(self) -> None:
        self._called_off = True
        self._host.cancel()

    def tick(self) -> None:
        host = self._host
        if self.waiting and self._found is None:
            self.say("starting a process of its own …", "$accent")
        elif self.waiting:
            self._end(self._found)
        elif self.preparing and host.folder is not None:
            self._end(host.folder)
        elif self.preparing and host.busy:
            self.say("calling it off …" if self._called_off else _progress(host.activity, host.fraction), "$accent")
        elif self.preparing:
            self._end(host.pop_error())

    def _end(self, found: RunFolder | SweepFolder | TuitrainError | None) -> None:
        self.preparing = self.waiting = False
        if found is None:
            self.say("Called off; nothing was written.", "$foreground-muted")
            self.post_message(self.Failed(None))
        elif isinstance(found, TuitrainError):
            self.say(f"✗ {plain(found, 1000)}")
            self.post_message(self.Failed(found))
        else:
            self.post_message(self.Begun(found))


def _progress(doing: str, fraction: float | None) -> str:
    if fraction is None:
        return f"{doing} …"
    done = round(BAR * min(max(fraction, 0.0), 1.0))
    return f"{doing}  {'━' * done}{'─' * (BAR - done)} {100 * fraction:.0f} %"
