"""Choose one or several options from a list that filters as you type."""

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Static
from textual.widgets.option_list import Option

from tuitrain.widgets.forms.options import Options
from tuitrain.widgets.forms.pick_list import distance


class _SearchInput(Input):
    """An input that leaves the space bar to the screen, which toggles an option with it."""

    def check_consume_key(self, key: str, character: str | None) -> bool:
        return key != "space" and super().check_consume_key(key, character)


class ChooseScreen(ModalScreen[tuple[str, ...] | None]):
    """Show `options`, each (key, name, help); dismiss with the chosen keys, or None on escape. With `many`, the user
    toggles several options; an option with an empty key stands for the empty choice."""

    CSS_PATH = "choose.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss", "cancel", id="choose.cancel"),
        Binding("down", "move('cursor_down')", show=False, priority=True),
        Binding("up", "move('cursor_up')", show=False, priority=True),
        Binding("pagedown", "move('page_down')", show=False, priority=True),
        Binding("pageup", "move('page_up')", show=False, priority=True),
        Binding("space", "choose", "toggle", priority=True, id="choose.one"),
    ]

    def __init__(
        self, text: str, options: Sequence[tuple[str, str, str]], chosen: Sequence[str] = (), *, many: bool = False
    ) -> None:
        super().__init__()
        self._text, self._options, self._many = text, options, many
        self._chosen, self._initial = list(chosen), list(chosen)
        self._width = max((len(name) for _, name, _ in options), default=0)

    def compose(self) -> ComposeResult:
        with Vertical() as box:
            box.border_title = Content(self._text)
            keys = "space toggle · enter apply" if self._many else "enter choose"
            box.border_subtitle = Content(f"{keys} · esc cancel")
            yield (_SearchInput if self._many else Input)(placeholder="type to search", compact=True)
            yield Options(markup=False)
            yield Static("No match", id="none")

    def on_mount(self) -> None:
        self.query_one(Options).can_focus = False
        self._list_matches("")

    def on_input_changed(self, event: Input.Changed) -> None:
        self._list_matches(event.value)

    def _list_matches(self, text: str) -> None:
        words = text.casefold().split()
        matches = [
            option for option in self._options if all(word in " ".join(option).casefold() for word in words)
        ]  # fmt: skip
        matches.sort(key=lambda option: distance(text, *option[:2]))
        option_list = self.query_one(Options)
        option_list.clear_options()
        option_list.add_options(Option(self._line(*option), id=option[0] or None) for option in matches)
        option_list.highlighted = 0 if matches else None
        self._matches = matches
        self.query_one("#none").display = not matches
        option_list.display = bool(matches)

    def _line(self, key: str, name: str, help: str) -> Content:
        checkbox = ("[x] " if key in self._chosen else "[ ] " if key else "    ") if self._many else ""
        return Content.assemble(checkbox, name.ljust(self._width + 2), (help, "$foreground 60%"))

    def _highlighted(self) -> tuple[str, str, str] | None:
        row = self.query_one(Options).highlighted
        return None if row is None else self._matches[row]

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        return self._many if action == "choose" else True

    def action_move(self, movement: str) -> None:
        getattr(self.query_one(Options), f"action_{movement}")()

    def action_choose(self) -> None:
        option = self._highlighted()
        if option is None:
            return
        if not option[0]:
            self.dismiss(())
            return
        self._chosen.remove(option[0]) if option[0] in self._chosen else self._chosen.append(option[0])
        option_list = self.query_one(Options)
        assert option_list.highlighted is not None
        option_list.replace_option_prompt_at_index(option_list.highlighted, self._line(*option))

    def on_input_submitted(self) -> None:
        option = self._highlighted()
        if self._many:
            # Enter on the empty choice counts only if nothing was toggled.
            empty = option is not None and not option[0] and self._chosen == self._initial
            self.dismiss(() if empty else tuple(self._chosen))
        elif option is not None:
            self.dismiss((option[0],))
