"""Open the screen that a message requests. Screens do not know each other."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from textual.screen import Screen

from tuitrain.app.notices import Notices
from tuitrain.errors import RunError
from tuitrain.hosts.thread import ThreadHost
from tuitrain.hosts.trust import reason, remember, remember_run
from tuitrain.machine.watch import GpuWatch
from tuitrain.runs.folder import shown_status
from tuitrain.runs.records import ACTIVE
from tuitrain.runs.scripts.folder import ScriptFolder
from tuitrain.runs.sweeps.catalog import list_sweeps
from tuitrain.screens.home.screen import HomeScreen
from tuitrain.widgets.messages import (
    AskChoice,
    AskTrust,
    AskValue,
    OpenComparison,
    OpenNewRun,
    OpenPrediction,
    OpenRun,
    OpenSweep,
)

T = TypeVar("T")


class Navigation(Notices):
    """Push screens and prompts, and import them only then, so that the first screen opens quickly."""

    runs_dir: Path
    host: ThreadHost
    gpus: GpuWatch

    def on_open_run(self, message: OpenRun) -> None:
        from tuitrain.screens.results.screen import ResultsScreen
        from tuitrain.screens.script import ScriptScreen
        from tuitrain.screens.training import TrainingScreen

        try:
            # Another tool's run cannot be controlled, so it has no live screen.
            active = message.folder.editable and shown_status(message.folder.state()) in ACTIVE
        except RunError:
            active = False
        live = active and not message.results
        live_screen = ScriptScreen if isinstance(message.folder, ScriptFolder) else TrainingScreen
        screen = live_screen(message.folder) if live else ResultsScreen(message.folder)
        if message.replace:
            self.switch_screen(screen)
        else:
            self.push_screen(screen)

    def on_open_new_run(self, message: OpenNewRun) -> None:
        from tuitrain.screens.new_run.screen import NewRunScreen

        self.push_screen(NewRunScreen(self.host, self.runs_dir, message.config, message.info, message.texts))

    def on_open_comparison(self, message: OpenComparison) -> None:
        from tuitrain.screens.compare.screen import CompareScreen

        self.push_screen(CompareScreen(message.folders, message.markers, grouped=message.grouped))

    def on_open_prediction(self, message: OpenPrediction) -> None:
        from tuitrain.screens.predict.screen import PredictScreen

        self.push_screen(PredictScreen(message.folder))

    def on_open_sweep(self, message: OpenSweep) -> None:
        from tuitrain.screens.sweep.list import SweepsScreen
        from tuitrain.screens.sweep.screen import SweepScreen

        found = list(list_sweeps(self.runs_dir)) if message.folder is None else [message.folder]
        try:
            self.push_screen(SweepScreen(found[0]) if len(found) == 1 else SweepsScreen(self.runs_dir))
        except RunError as error:
            self.show_error(error)

    def on_ask_value(self, message: AskValue) -> None:
        from tuitrain.screens.windows.prompt import PromptScreen

        self._ask(PromptScreen(message), message.answer)

    def on_ask_choice(self, message: AskChoice) -> None:
        from tuitrain.widgets.forms.pick_list import PickList

        many = message.many
        screen = PickList(
            message.options, message.chosen, title=message.text, many=many, marked=many and bool(message.chosen)
        )
        self._ask(screen, message.answer)

    def on_ask_trust(self, message: AskTrust) -> None:
        from tuitrain.screens.windows.question import QuestionScreen

        text = "\n".join([f"{reason(message.origin, message.unknown)}.", *map(str, message.unknown)])
        # "cancel" is the default, because an Enter that was typed ahead must not run the code.
        answers = [("c", "cancel"), ("t", "trust this code and run it")]
        if message.optional:
            answers.append(("w", "continue without it"))

        def pass_on(given: str) -> None:
            if given == "t":
                if message.run is not None:
                    remember_run(message.run, message.unknown)
                else:
                    remember(message.origin, message.unknown)
            if given != "c":
                message.answer(given == "t")

        self._ask(QuestionScreen(text, answers), pass_on)

    def _ask(self, screen: Screen[T | None], answer: Callable[[T], object] | None) -> None:
        def pass_on(given: T | None) -> None:
            if given is not None and answer is not None:
                answer(given)

        self.push_screen(screen, pass_on)

    def action_sweeps(self) -> None:
        self.post_message(OpenSweep())

    def action_machine(self) -> None:
        from tuitrain.screens.machine.screen import MachineScreen

        if not isinstance(self.screen, MachineScreen):
            self.push_screen(MachineScreen(self.runs_dir, self.gpus))

    def action_help(self) -> None:
        from tuitrain.screens.windows.help import HelpScreen

        bindings = list(self.screen.active_bindings.values())
        self.push_screen(HelpScreen(f"{self.screen.title or 'tuitrain'}: keys", bindings))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "sweeps":
            at_home = bool(self.screen_stack) and isinstance(self.screen, HomeScreen)
            return at_home and next(list_sweeps(self.runs_dir), None) is not None
        return super().check_action(action, parameters)
