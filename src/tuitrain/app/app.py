"""The Textual app: themes, keys that hold everywhere, and which screen comes next."""

import asyncio
import gc
import importlib
import os
import signal
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path, PurePath
from threading import Thread
from typing import ClassVar

from textual import work
from textual.app import SystemCommand
from textual.binding import Binding, BindingType
from textual.notifications import SeverityLevel
from textual.screen import Screen
from textual.theme import BUILTIN_THEMES

from tuitrain.analysis import units
from tuitrain.config import preferences
from tuitrain.config.values import parse_value
from tuitrain.errors import ConfigError, RunError, TuitrainError
from tuitrain.hosts.background import resume_in_background
from tuitrain.hosts.launch import check_checkpoint, check_resumable
from tuitrain.hosts.thread import ThreadHost
from tuitrain.runs.folder import RunFolder, shown_status
from tuitrain.runs.sweeps.folder import sweeps
from tuitrain.runs.sweeps.index import SweepIndex
from tuitrain.screens.home import HomeScreen
from tuitrain.text import plain
from tuitrain.widgets.messages import (
    AskChoice,
    AskValue,
    OpenComparison,
    OpenNewRun,
    OpenRun,
    OpenSweep,
    ResumeRun,
    RunEnded,
    SweepEnded,
)
from tuitrain.widgets.terminal.notifications import alert, give_title_back, keep_title
from tuitrain.widgets.terminal.painter import PaintedApp
from tuitrain.widgets.terminal.themes import load_themes, shipped_themes_folder

# Epochs that are suggested to a run that has done all of them.
MORE = 5
# Seconds between two looks at the thread that trains.
LOOK = 1.0
QUIT = "A run is training in this window."
ANSWERS = (
    ("b", "keep training in the background, and quit"),
    ("s", "stop the run with a checkpoint, and quit"),
    ("c", "cancel: stay here"),
)


SLOW_LINE: dict[preferences.SlowLine, str] = {
    "auto": "Redraw curves more seldom where the terminal answers late",
    "on": "Redraw curves more seldom",
    "off": "Redraw curves as often as the machine allows",
}


class TuitrainApp(PaintedApp):
    TITLE = "tuitrain"
    # The first screen's with it, which Textual reads only for those that are pushed.
    CSS_PATH: ClassVar[list[str | PurePath]] = [
        Path(__file__).parents[1] / name for name in ("app/app.tcss", "screens/home.tcss")
    ]
    ENABLE_COMMAND_PALETTE = True
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("question_mark", "help", "help", tooltip="The keys of this screen", key_display="?", id="app.help"),
        Binding("q", "quit", "quit", tooltip="Leave tuitrain", id="app.quit"),
        # Last, so that what a footer of 80 columns has no room for is this.
        Binding("S", "sweeps", "sweeps", tooltip="The sweeps of this folder", id="app.sweeps"),
        Binding("ctrl+q", "quit", show=False),
        Binding("ctrl+l", "redraw", tooltip="Write the screen anew, where something else wrote on it", show=False),
    ]

    def __init__(self, runs_dir: Path, host: ThreadHost, first: RunFolder | None = None) -> None:
        """`first` is the run to open at once."""
        if first is not None:
            # Its charts draw with it: loaded in their first frame, it would hold that up.
            import plotext  # noqa: F401
        super().__init__()
        self.runs_dir, self.host, self._first = runs_dir, host, first
        self._told: set[tuple[str, float]] = set()
        # Nothing moves by itself: over a slow line an animation is only bytes.
        self.animation_level = "none"
        for name in BUILTIN_THEMES:
            self.unregister_theme(name)
        self._skipped: list[ConfigError] = []
        folders = [shipped_themes_folder(), preferences.user_themes_folder()]
        for loaded in load_themes(folders, self._skipped.append).values():
            self.register_theme(loaded.theme)
        preferred = preferences.load().theme
        self.slow_line = preferences.load().slow_line
        self.theme = preferred if preferred in self.available_themes else _default_theme()

    def get_default_screen(self) -> HomeScreen:
        return HomeScreen(self.runs_dir)

    def on_unmount(self) -> None:
        give_title_back(self)

    def on_mount(self) -> None:
        keep_title(self)
        self.set_interval(LOOK, self._look_at_host)
        if not gc.isenabled():
            self.set_timer(1.0, Thread(target=_settle, name="settle", daemon=True).start)
        for number in (signal.SIGHUP, signal.SIGINT):
            self._on_signal(number, self.exit)
        self._on_signal(signal.SIGTERM, self._stop_and_exit)
        self.theme_changed_signal.subscribe(self, lambda theme: preferences.update(theme=theme.name))
        for error in self._skipped:
            self.notify(str(error), severity="warning", markup=False)
        if self._first is not None:
            self.post_message(OpenRun(self._first))

    def _on_signal(self, number: signal.Signals, leave: Callable[[], None]) -> None:
        loop = asyncio.get_running_loop()

        def once() -> None:
            # A second one, as shells send it, must not end the process before the run is handed over.
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_IGN)
            leave()

        loop.add_signal_handler(number, once)

    def get_system_commands(self, screen: "Screen[object]") -> Iterable[SystemCommand]:
        yield from super().get_system_commands(screen)
        for choice, about in SLOW_LINE.items():
            yield SystemCommand(f"Slow line: {choice}", about, partial(self._set_slow_line, choice))

    def _set_slow_line(self, choice: preferences.SlowLine) -> None:
        self.slow_line = choice
        preferences.update(slow_line=choice)

    def action_help(self) -> None:
        from tuitrain.screens.help import HelpScreen

        bindings = list(self.screen.active_bindings.values())
        self.push_screen(HelpScreen(f"{self.screen.title or 'tuitrain'}: keys", bindings))

    def action_help_quit(self) -> None:
        """On ctrl+c, which must not end what trains here."""
        focused = self.screen.focused
        typing = focused is not None and focused.check_consume_key("q", "q")
        key = "q" if "q" in self.screen.active_bindings and not typing else "ctrl+q"
        self.notify(f"{key} leaves tuitrain.", timeout=3)

    async def action_quit(self) -> None:
        if self.host.busy:
            from tuitrain.screens.question import QuestionScreen

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

    def _look_at_host(self) -> None:
        """Say what a run of this app cannot write into its folder; what goes wrong before it has one, the form says."""
        if self.host.folder is not None and not self.host.busy and (error := self.host.pop_error()):
            self._say(error)

    def on_run_ended(self, message: RunEnded) -> None:
        """Said once, whichever screen saw it."""
        key = (message.folder.id, message.state.heartbeat)
        if key in self._told:
            return
        self._told.add(key)
        name, state = plain(message.name, 60), message.state
        if state.not_continued:
            alert(self, f"{name}: not trained on")
            self.notify(f"{name} was not trained on. {plain(state.not_continued)}", severity="error", markup=False)
            return
        accuracy = state.test.measured if state.test else None
        text = f"{name}: {message.status}" + ("" if accuracy is None else f", test {units.percent(accuracy)}")
        alert(self, text)
        severity: SeverityLevel = "error" if message.status in ("failed", "interrupted") else "information"
        self.notify(f"{text}. {plain(state.reason)}".rstrip(), severity=severity, markup=False)

    def on_sweep_ended(self, message: SweepEnded) -> None:
        try:
            name, outcomes = message.folder.sweep().name, SweepIndex(message.folder).refresh()
        except RunError:
            return
        done = sum(one.done for one in outcomes)
        text = (
            f"sweep {plain(name, 60)}: {message.folder.status(done == len(outcomes))}, {done} of {len(outcomes)} runs"
        )
        alert(self, text)
        self.notify(f"{text}. S shows it.", markup=False)

    def on_move_to_background(self) -> None:
        if not self.host.busy:
            self.notify("That run has a process of its own already.")
            return
        self.host.detach()
        self.notify("Moving the run to a process of its own.", timeout=3)

    def on_resume_run(self, message: ResumeRun) -> None:
        folder, begin = message.folder, partial(self._train_on, message.folder, message.watch)
        try:
            state = folder.state()
            check_checkpoint(folder, state)
        except RunError as error:
            self._say(error)
            return
        finished = state.status == "finished" or state.epoch >= state.epochs
        if not message.ask and not finished:
            begin(None)
            return

        def number(text: str) -> int:
            epochs: int = parse_value("training.epochs", text)
            check_resumable(folder, state, epochs)
            return epochs

        def answer(text: str | None) -> None:
            if text is not None:
                begin(number(text))

        suggested = str(state.epochs + MORE * finished)
        self.post_message(AskValue("Number of epochs in all", suggested, number, answer))

    @work(thread=True, exit_on_error=False)
    def _train_on(self, folder: RunFolder, watch: bool, epochs: int | None) -> None:
        """In a process of its own: whatever ended it before, this terminal will not."""
        try:
            resume_in_background(folder, epochs)
        except TuitrainError as error:
            self.call_from_thread(self._say, error)
        else:
            if watch:
                self.post_message(OpenRun(folder, replace=True))

    def _say(self, error: TuitrainError) -> None:
        self.notify(str(error), severity="error", markup=False)

    def _fatal_error(self) -> None:
        """Close the screen; `open_app` raises the error itself, and the command line says it in a sentence."""
        self._close_messages_no_wait()

    def on_ask_value(self, message: AskValue) -> None:
        from tuitrain.screens.prompt import PromptScreen

        asked = PromptScreen(message.text, message.value, message.check, live=message.live, kept=message.kept)
        self.push_screen(asked, message.answer)

    def on_ask_choice(self, message: AskChoice) -> None:
        from tuitrain.screens import choose

        screen = choose.ChooseScreen(message.text, message.options, message.chosen, many=message.many)
        self.push_screen(screen, message.answer)

    def on_open_new_run(self, message: OpenNewRun) -> None:
        from tuitrain.screens.new_run import NewRunScreen

        self.push_screen(NewRunScreen(self.host, self.runs_dir, message.config, message.info))

    def on_open_comparison(self, message: OpenComparison) -> None:
        from tuitrain.screens.compare import CompareScreen

        self.push_screen(CompareScreen(message.folders, self.runs_dir, message.known, grouped=message.grouped))

    def action_sweeps(self) -> None:
        self.post_message(OpenSweep())

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "sweeps":
            at_home = bool(self.screen_stack) and isinstance(self.screen, HomeScreen)
            return at_home and next(sweeps(self.runs_dir), None) is not None
        return super().check_action(action, parameters)

    def on_open_sweep(self, message: OpenSweep) -> None:
        from tuitrain.screens.sweep import SweepScreen
        from tuitrain.screens.sweeps import SweepsScreen

        found = list(sweeps(self.runs_dir)) if message.folder is None else [message.folder]
        try:
            self.push_screen(SweepScreen(found[0]) if len(found) == 1 else SweepsScreen(self.runs_dir))
        except RunError as error:
            self.notify(str(error), severity="error", markup=False)

    def on_open_run(self, message: OpenRun) -> None:
        from tuitrain.screens.results import ResultsScreen
        from tuitrain.screens.training import TrainingScreen

        try:
            # What another tool trains cannot be steered: its results are followed.
            steered = not message.folder.read_only
            active = steered and shown_status(message.folder.state()) in ("queued", "running", "paused")
        except RunError:
            active = False
        screen = TrainingScreen(message.folder) if active and not message.results else ResultsScreen(message.folder)
        if message.replace:
            self.switch_screen(screen)
        else:
            self.push_screen(screen)


def _settle() -> None:
    """Load what the next screens need, while neither a key nor training waits for it. What there is then lives as long
    as the app: no collection of garbage need look at it, and make a key wait."""
    import plotext  # noqa: F401

    for screen in ("results", "training", "compare", "new_run", "help", "question"):
        importlib.import_module(f"tuitrain.screens.{screen}")
    gc.freeze()
    gc.enable()


def _default_theme() -> str:
    """Light where the terminal says that its background is: COLORFGBG, as rxvt, Konsole and others set it."""
    background = os.environ.get("COLORFGBG", "").rpartition(";")[2]
    return "tuitrain-light" if background in ("7", "15") else "tuitrain-dark"


def open_app(runs_dir: Path, first: RunFolder | None = None) -> RunFolder | None:
    """Run the app in this terminal until the user leaves it; the run that goes on without it, if there is one.

    A run that trains here then, and was not asked to stop, goes on in a process of its own: after `q`, where the
    terminal has gone, and where the app itself has failed.
    """
    host = ThreadHost()
    app = TuitrainApp(runs_dir, host, first)

    try:
        app.run(mouse=False)
    finally:
        for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        host.detach()
        host.join()
    if app._exception is not None:
        raise app._exception
    if host.error is not None:
        raise host.error
    return host.folder if host.in_background else None
