"""Stop, detach and resume runs, and handle quitting and signals while a run trains in this app."""

import asyncio
import signal
from collections.abc import Callable
from functools import partial

from textual import work

from tuitrain.app.notices import Notices
from tuitrain.config.code import COMMAND
from tuitrain.config.schedule import Extension
from tuitrain.config.values import parse_value
from tuitrain.errors import TuitrainError
from tuitrain.hosts.background import resume_in_background
from tuitrain.hosts.launch import check_checkpoint, check_resumable
from tuitrain.hosts.thread import ThreadHost
from tuitrain.hosts.trust import code_key, config_code, run_origin, unknown_code
from tuitrain.runs.changes import course
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.records import State
from tuitrain.widgets.forms.extension import choose_extension
from tuitrain.widgets.messages import AskTrust, AskValue, OpenRun, ResumeRun

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

    def on_mount(self) -> None:
        self.set_interval(HOST_INTERVAL, self._check_host)
        # A closed terminal (SIGHUP) or an interrupt must not end the run.
        for number in (signal.SIGHUP, signal.SIGINT):
            self._on_signal(number, self.exit)
        self._on_signal(signal.SIGTERM, self._stop_and_exit)

    def _on_signal(self, number: signal.Signals, leave: Callable[[], None]) -> None:
        loop = asyncio.get_running_loop()

        def leave_once() -> None:
            # Shells may send the signal twice; the second must not end the process before the run has moved.
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_IGN)
            leave()

        loop.add_signal_handler(number, leave_once)

    async def action_quit(self) -> None:
        if self.host.busy:
            from tuitrain.screens.windows.question import QuestionScreen

            self.push_screen(QuestionScreen(QUIT, ANSWERS), self._quit)
        else:
            self.exit()

    def _quit(self, answer: str | None) -> None:
        if answer == "s":
            self._stop_and_exit()
        elif answer == "b":
            self.exit()

    def _stop_and_exit(self) -> None:
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
        try:
            state, code = folder.state(), config_code(folder.config())
            check_checkpoint(folder, state)
            origin, unknown = run_origin(folder), unknown_code(run_origin(folder), code)
        except TuitrainError as error:
            self.show_error(error)
            return
        if not unknown:
            self._ask_epochs(message, state, code_key(code))
            return

        def resume(trusted: bool) -> None:
            self._ask_epochs(message, state, code_key(code) if trusted else "")

        optional = all(item.key == COMMAND for item in unknown)
        self.post_message(AskTrust(origin, unknown, resume, optional=optional))

    def _ask_epochs(self, message: ResumeRun, state: State, allowed: str) -> None:
        """Resume a run, whose code with the `code_key` `allowed` may run; ask for its number of epochs if necessary."""
        folder = message.folder
        resume = partial(self._resume, folder, message.watch, allowed)
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
            choose_extension(self, course(folder.config(), state), epochs, state.step, partial(resume, epochs))

        self.post_message(AskValue("Total number of epochs", suggested, parse_epochs, ask_schedule))

    @work(thread=True, exit_on_error=False)
    def _resume(self, folder: RunFolder, watch: bool, allowed: str, epochs: int | None, schedule: Extension) -> None:
        # In the background, so that losing this terminal cannot interrupt the run again.
        try:
            resume_in_background(folder, epochs, trust=allowed, schedule=schedule)
        except TuitrainError as error:
            self.show_error(error)
        else:
            if watch:
                self.post_message(OpenRun(folder, replace=True))
