"""Stop, detach and resume runs, and handle quitting and signals while a run trains in this app."""

import asyncio
import signal
from collections.abc import Callable
from functools import partial
from types import FrameType

from textual import work

from tuitrain.app.notices import Notices
from tuitrain.config.values import parse_value
from tuitrain.errors import RunError, TuitrainError
from tuitrain.hosts.background import resume_in_background
from tuitrain.hosts.launch import check_checkpoint, check_resumable
from tuitrain.hosts.thread import ThreadHost
from tuitrain.runs.folder import RunFolder
from tuitrain.widgets.messages import AskValue, OpenRun, ResumeRun

# The number of additional epochs suggested for a finished run.
SUGGESTED_EPOCHS = 5
# Seconds between two checks of the training thread.
HOST_INTERVAL = 1.0
QUIT = "This app is training a run."
ANSWERS = (
    ("b", "keep training in the background, and quit"),
    ("s", "save a checkpoint, stop the run and quit"),
    ("c", "cancel"),
)


class RunLifecycle(Notices):
    """Ask what to do with the run of `host` on quit. `open_app` moves a run that still trains to the background."""

    host: ThreadHost

    def __init__(self) -> None:
        super().__init__()
        self._event_loop: asyncio.AbstractEventLoop | None = None
        self._leave: Callable[[], None] | None = None

    def on_mount(self) -> None:
        self.set_interval(HOST_INTERVAL, self._check_host)

    def on_ready(self) -> None:
        # Earlier, the first screen has no widgets, and closing it fails.
        self._event_loop = asyncio.get_running_loop()
        if self._leave is not None:
            self._leave()

    def leave_on_signals(self) -> None:
        """Close the app on a signal, also on one that arrives before it has opened. Call this before the app runs."""
        # A closed terminal (SIGHUP) or an interrupt must not end the run.
        for number, leave in ((signal.SIGHUP, self.exit), (signal.SIGINT, self.exit), (signal.SIGTERM, self._stop)):
            signal.signal(number, partial(self._on_signal, leave))

    def _on_signal(self, leave: Callable[[], None], number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        """Call `leave` in the event loop. `loop.add_signal_handler` would lose a signal that arrives while hundreds of
        callbacks wait, such as those of a flood of keys."""
        # Shells may send the signal twice; the second must not end the process before the run has moved.
        signal.signal(number, signal.SIG_IGN)
        self._leave = leave
        if self._event_loop is not None and not self._event_loop.is_closed():
            self._event_loop.call_soon_threadsafe(leave)

    async def action_quit(self) -> None:
        if self.host.busy:
            from tuitrain.screens.windows.question import QuestionScreen

            self.push_screen(QuestionScreen(QUIT, ANSWERS), self._quit)
        else:
            self.exit()

    def _quit(self, answer: str | None) -> None:
        if answer == "s":
            self._stop()
        elif answer == "b":
            self.exit()

    def _stop(self) -> None:
        """Stop the run with a checkpoint, and exit."""
        self.host.cancel()
        self.exit()

    def _check_host(self) -> None:
        """Show an error that the run could not write to its folder. The form shows errors before there is a folder."""
        if self.host.folder is not None and not self.host.busy and (error := self.host.pop_error()):
            self.show_error(error)

    def on_move_to_background(self) -> None:
        if not self.host.busy:
            self.notify("The run is already training in a background process")
            return
        self.host.detach()
        self.notify("Moving the run to a background process", timeout=3)

    def on_resume_run(self, message: ResumeRun) -> None:
        folder = message.folder
        resume = partial(self._resume, folder, message.watch)
        try:
            state = folder.state()
            check_checkpoint(folder, state)
        except RunError as error:
            self.show_error(error)
            return
        finished = state.status == "finished" or state.epoch >= state.epochs
        if not message.ask and not finished:
            resume(None)
            return

        def parse_epochs(text: str) -> int:
            epochs: int = parse_value("training.epochs", text)
            check_resumable(folder, state, epochs)
            return epochs

        suggested = str(state.epochs + SUGGESTED_EPOCHS * finished)
        self.post_message(
            AskValue("Total number of epochs", suggested, parse_epochs, lambda text: resume(parse_epochs(text)))
        )

    @work(thread=True, exit_on_error=False)
    def _resume(self, folder: RunFolder, watch: bool, epochs: int | None) -> None:
        # In the background, so that losing this terminal cannot interrupt the run again.
        try:
            resume_in_background(folder, epochs)
        except TuitrainError as error:
            self.show_error(error)
        else:
            if watch:
                self.post_message(OpenRun(folder, replace=True))
