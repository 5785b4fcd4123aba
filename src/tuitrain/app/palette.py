"""The command palette: the keys of the screen, runs, presets and themes, found by typing."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

from textual.binding import ActiveBinding
from textual.screen import ModalScreen

from tuitrain.app.graphics import Graphics
from tuitrain.config import preferences
from tuitrain.config.fine_tuning import FINE_TUNING
from tuitrain.config.presets import PRESETS, preset
from tuitrain.screens.home.screen import HomeScreen
from tuitrain.text import plain
from tuitrain.widgets.messages import AskChoice, OpenNewRun, OpenRun

MAX_RUNS = 500
SLOW_LINE: dict[preferences.SlowLine, str] = {
    "auto": "redraw less often if the terminal answers late",
    "on": "redraw less often",
    "off": "redraw as often as the machine allows",
}
PICTURES: dict[preferences.Pictures, str] = {
    "auto": "draw pictures with the graphics of the terminal, or as half blocks",
    "blocks": "draw pictures as half blocks",
    "kitty": "draw pictures with kitty's graphics, whatever the terminal is",
    "sixel": "draw pictures as sixels, whatever the terminal is",
}


class Command(NamedTuple):
    name: str
    help: str
    run: Callable[[], object]


class Palette(Graphics):
    """Replace Textual's palette, which lists no keys, runs or presets."""

    def action_command_palette(self) -> None:
        commands = list(self._commands())
        options = [(str(index), command.name, command.help) for index, command in enumerate(commands)]
        self.post_message(AskChoice("Commands", options, lambda chosen: self.call_later(commands[int(chosen[0])].run)))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "command_palette":
            return bool(self.screen_stack) and not isinstance(self.screen, ModalScreen)
        return super().check_action(action, parameters)

    def _commands(self) -> Iterator[Command]:
        yield from self._key_commands()
        home = self.screen_stack[0]
        for run in home.table_state.runs[:MAX_RUNS] if isinstance(home, HomeScreen) else ():
            open_run = partial(self.post_message, OpenRun(run.folder))
            yield Command(plain(run.info.name, 40), f"open this run · {run.status}", open_run)
        for name in (*PRESETS, *FINE_TUNING):
            yield Command(name, "new run from this preset", partial(self.post_message, OpenNewRun(preset(name))))
        for name in self.available_themes:
            yield Command(name, "color theme", partial(setattr, self, "theme", name))
        for choice, help in SLOW_LINE.items():
            yield Command(f"slow line {choice}", help, partial(self.set_slow_line, choice))
        for way, help in PICTURES.items():
            yield Command(f"pictures {way}", help, partial(self.set_pictures, way))

    def _key_commands(self) -> Iterator[Command]:
        """Yield a command for each action of the screen that has a key, those in the footer first."""
        bindings = [active for active in self.screen.active_bindings.values() if active.enabled and active.tooltip]
        actions: dict[str, list[ActiveBinding]] = {}
        for active in sorted(bindings, key=lambda active: not active.binding.show):
            if active.binding.action != "command_palette":
                actions.setdefault(active.tooltip, []).append(active)
        for name, (first, *others) in actions.items():
            keys = " ".join(self.get_key_display(active.binding) for active in (first, *others))
            yield Command(name, keys, partial(self.run_action, first.binding.action, first.node))
