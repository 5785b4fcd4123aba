"""Follow the run of a user's script live, and steer it as far as the script allows."""

from functools import partial
from typing import ClassVar

from textual.binding import Binding, BindingType

from tuitrain.config.formatting import format_value
from tuitrain.runs.control import send
from tuitrain.runs.scripts.commands import STOP, parse_assignment
from tuitrain.runs.scripts.folder import NO_COMMANDS
from tuitrain.runs.scripts.follower import ScriptFollower
from tuitrain.screens.training import TrainingScreen
from tuitrain.text import listed, plain
from tuitrain.widgets.messages import AskValue

# What only tuitrain's own loop does or records.
OWN_LOOP_ONLY = ("pause", "unpause", "checkpoint", "epochs", "detach", "resume")
OWN_PAGES = (("layers",), ("machine",))


class ScriptScreen(TrainingScreen):
    """Keys whose commands the script does not ask for are disabled, and the line above the footer says why."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("s", "stop", "stop", tooltip="Ask the script to stop", id="training.stop_script"),
        Binding("r", "rate", "set", tooltip="Change a setting of the script", id="training.setting"),
    ]
    run: ScriptFollower

    @property
    def activity(self) -> str:
        if not self._active:
            return self.run.state.reason or self.run.status
        return f"the script obeys: {listed(self.run.asks)}" if self.run.asks else f"watch only: {NO_COMMANDS}"

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action in OWN_LOOP_ONLY or parameters in OWN_PAGES:
            return False
        if parameters == ("gradients",) and not len(self.run.train.only("lr")):
            return False
        if action in ("stop", "rate"):
            asked = STOP in self.run.asks if action == "stop" else bool(self.run.asked_settings)
            return (asked or None) if self._active else False
        return super().check_action(action, parameters)

    def action_rate(self) -> None:
        names = self.run.asked_settings

        def set_it(text: str) -> None:
            key, value = parse_assignment(self.run, text)
            send(self.run.folder, "set", key=key, to=value)
            self.call_after_refresh(self.poll_now)

        present = f"{names[0]}={format_value(self.run.present_setting(names[0]))}"
        title = f"Setting = value, for {plain(listed(names), 200)}"
        self.post_message(AskValue(title, present, partial(parse_assignment, self.run), set_it, kept=True))
