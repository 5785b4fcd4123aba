"""The message line below the form, which also starts runs and shows their progress."""

from collections.abc import Callable
from dataclasses import dataclass

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
    """Start one run or sweep at a time; `tick` polls the start and posts Started or Failed. The start is `preparing` in
    this app, where it can be cancelled, or `waiting` for a background process."""

    @dataclass
    class Started(Message):
        folder: RunFolder | SweepFolder

    @dataclass
    class Failed(Message):
        """`error` is None if the user cancelled."""

        error: TuitrainError | None

    def __init__(self, host: ThreadHost) -> None:
        super().__init__(id="message")
        self._host = host
        self.preparing = self.waiting = self._cancelled = False
        self._outcome: RunFolder | SweepFolder | TuitrainError | None = None

    @property
    def busy(self) -> bool:
        return self.preparing or self.waiting

    def show(self, text: str, style: str = "$text-error") -> None:
        if text or self.display:
            self.display = bool(text)
            self.update(Content.assemble((text, style)))

    def start_here(self, spec: RunSpec) -> None:
        """Start in this process. Raises RunError if the host is busy."""
        self._host.start(spec)
        self.preparing, self._cancelled = True, False
        self.tick()

    def start_in_background(self, start: Callable[[], RunFolder | SweepFolder]) -> None:
        """Call `start` in a thread; it may take seconds and raise TuitrainError."""
        self.waiting, self._outcome = True, None
        self._run_start(start)
        self.tick()

    @work(thread=True, exit_on_error=False)
    def _run_start(self, start: Callable[[], RunFolder | SweepFolder]) -> None:
        try:
            self._outcome = start()
        except TuitrainError as error:
            self._outcome = error
        except Exception as error:
            self._outcome = TuitrainError(f"{type(error).__name__}: {plain(error)}")
        if isinstance(self._outcome, TuitrainError) and not self.is_attached:
            self.app.call_from_thread(self.app.notify, str(self._outcome), severity="error", markup=False)

    def cancel(self) -> None:
        self._cancelled = True
        self._host.cancel()

    def tick(self) -> None:
        host = self._host
        if self.waiting and self._outcome is None:
            self.show("starting a background process …", "$accent")
        elif self.waiting:
            self._end(self._outcome)
        elif self.preparing and host.folder is not None:
            self._end(host.folder)
        elif self.preparing and host.busy:
            self.show("cancelling …" if self._cancelled else _progress_text(host.activity, host.fraction), "$accent")
        elif self.preparing:
            self._end(host.pop_error())

    def _end(self, outcome: RunFolder | SweepFolder | TuitrainError | None) -> None:
        self.preparing = self.waiting = False
        if outcome is None:
            self.show("Cancelled: no run was created.", "$foreground-muted")
            self.post_message(self.Failed(None))
        elif isinstance(outcome, TuitrainError):
            self.show(f"✗ {plain(outcome, 1000)}")
            self.post_message(self.Failed(outcome))
        else:
            self.post_message(self.Started(outcome))


def _progress_text(activity: str, fraction: float | None) -> str:
    if fraction is None:
        return f"{activity} …"
    done = round(BAR * min(max(fraction, 0.0), 1.0))
    return f"{activity}  {'━' * done}{'─' * (BAR - done)} {100 * fraction:.0f} %"
