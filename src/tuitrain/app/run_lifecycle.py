"""Stop, detach and resume runs, and handle quitting and signals while a run trains in this app."""

import _thread
import asyncio
import os
import signal
import termios
from contextlib import suppress
from functools import partial
from types import FrameType
from typing import Any

from tuitrain.app.notices import Notices
from tuitrain.config.code import COMMAND
from tuitrain.config.schedule import Extension
from tuitrain.config.values import parse_value
from tuitrain.errors import TuitrainError
from tuitrain.hosts.background import resume_in_background
from tuitrain.hosts.resumable import check_checkpoint, check_resumable
from tuitrain.hosts.slurm.client import has_slurm
from tuitrain.hosts.slurm.stop import stop
from tuitrain.hosts.slurm.submit import resubmit_run
from tuitrain.hosts.thread import ThreadHost
from tuitrain.hosts.trust import run_code, run_origin
from tuitrain.runs.changes import lr_curve
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.records import State
from tuitrain.widgets.forms.extension import choose_extension
from tuitrain.widgets.messages import AskChoice, AskTrust, AskValue, OpenRun, ResumeRun, StopInSlurm
from tuitrain.widgets.threads import in_thread

# The number of additional epochs suggested for a finished run.
SUGGESTED_EPOCHS = 5
# Seconds between two checks of the training thread.
HOST_INTERVAL = 1.0
# Seconds that the terminal has to take the last output after a signal.
STALL_SECONDS = 10.0
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
        self._signalled = False
        self._terminal_modes: list[Any] = []

    def on_mount(self) -> None:
        self.set_interval(HOST_INTERVAL, self._check_host)

    def on_ready(self) -> None:
        # Closing the app fails before the first screen has widgets.
        self._event_loop = asyncio.get_running_loop()
        if self._signalled:
            self.exit()

    def leave_on_signals(self) -> None:
        """Close the app on a signal, also on one that arrives before it has opened. Call this before the app runs."""
        with suppress(OSError, termios.error):
            self._terminal_modes = termios.tcgetattr(0)
        for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        """Stop or move the run at once, and exit in the event loop, which may be blocked by a terminal that takes no
        output.

        `loop.add_signal_handler` would lose a signal that arrives while hundreds of callbacks wait, as in a flood of
        keys.
        """
        # Shells may send the signal twice; the second must not end the process before the run has moved.
        signal.signal(number, signal.SIG_IGN)
        self._signalled = True
        # A closed terminal (SIGHUP) or an interrupt must not end the run.
        if number == signal.SIGTERM:
            self.host.cancel()
        else:
            self.host.detach()
        if self._event_loop is not None and not self._event_loop.is_closed():
            self._event_loop.call_soon_threadsafe(self.exit)
        # `threading.Thread` takes a lock, which the code that the signal interrupts may hold.
        _thread.start_new_thread(self._end_if_stalled, ())

    def _end_if_stalled(self) -> None:
        """End the process if the terminal does not take the last output, for which the app would wait forever."""
        if not self.closed.wait(STALL_SECONDS):
            self.host.join()
            with suppress(OSError, termios.error):
                if self._terminal_modes:
                    termios.tcsetattr(0, termios.TCSANOW, self._terminal_modes)
            os._exit(0)

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

    @in_thread
    def on_stop_in_slurm(self, message: StopInSlurm) -> None:
        self.notify(f"Stopped: {stop(message.folder)}", timeout=5, markup=False)

    def on_resume_run(self, message: ResumeRun) -> None:
        folder = message.folder
        try:
            state = folder.state()
            check_checkpoint(folder, state)
            _, unknown, key = run_code(folder)
        except TuitrainError as error:
            self.show_error(error)
            return
        if not unknown:
            self._ask_epochs(message, state, key)
            return

        def resume(trusted: bool) -> None:
            self._ask_epochs(message, state, key if trusted else "")

        optional = all(item.key == COMMAND for item in unknown)
        self.post_message(AskTrust(run_origin(folder), unknown, resume, optional=optional, run=folder))

    def _ask_epochs(self, message: ResumeRun, state: State, allowed_key: str) -> None:
        """Resume a run; ask for its number of epochs if necessary. `allowed_key` is that of `resume_run`."""
        folder = message.folder
        resume = partial(self._resume, folder, message.watch, allowed_key)
        finished = state.status == "finished" or state.epoch >= state.epochs
        if not message.ask and not finished:
            resume(None, "stretch")
            return

        def parse_epochs(text: str) -> int:
            epochs: int = parse_value("training.epochs", text)
            check_resumable(folder, state, epochs)
            return epochs

        suggested = str(state.epochs + SUGGESTED_EPOCHS * finished)

        def ask_schedule(text: str) -> None:
            epochs = parse_epochs(text)
            choose_extension(self, lr_curve(folder.config(), state), epochs, state.step, partial(resume, epochs))

        self.post_message(AskValue("Total number of epochs", suggested, parse_epochs, ask_schedule))

    def _resume(
        self, folder: RunFolder, watch: bool, allowed_key: str, epochs: int | None, schedule: Extension
    ) -> None:
        """Resume a run in the background or, if it trained in Slurm and the user chooses so, in a Slurm job."""
        arguments = (folder, watch, allowed_key, epochs, schedule)
        if folder.state().slurm is None or not has_slurm():
            self._resume_here(*arguments)
            return

        def resume(chosen: tuple[str, ...]) -> None:
            (self._resubmit if chosen == ("slurm",) else self._resume_here)(*arguments)

        options = [
            ("slurm", "Slurm", "in a new job, with your usual options of sbatch"),
            ("here", "this machine", "in a background process"),
        ]
        self.post_message(AskChoice("Where the run continues", options, resume))

    @in_thread
    def _resubmit(
        self, folder: RunFolder, watch: bool, allowed_key: str, epochs: int | None, schedule: Extension
    ) -> None:
        resubmit_run(folder, "", epochs, allowed_key, schedule)
        if watch:
            self.post_message(OpenRun(folder, replace=True))

    @in_thread
    def _resume_here(
        self, folder: RunFolder, watch: bool, allowed_key: str, epochs: int | None, schedule: Extension
    ) -> None:
        # In the background, so that losing this terminal cannot interrupt the run again.
        resume_in_background(folder, epochs, allowed_key=allowed_key, schedule=schedule)
        if watch:
            self.post_message(OpenRun(folder, replace=True))
