"""One or several of many, found by typing."""

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from tuitrain.widgets.forms.pick_list import distance


class _Find(Input):
    """Leaves the space bar to the screen, for choosing."""

    def check_consume_key(self, key: str, character: str | None) -> bool:
        return key != "space" and super().check_consume_key(key, character)


class ChooseScreen(ModalScreen[tuple[str, ...] | None]):
    """`options` are (key, name, about); dismissed with the keys chosen, one where not `many`, None for escape.

    With `many`, an option whose key is empty stands for none of them.
    """

    CSS_PATH = "choose.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss", "cancel", id="choose.cancel"),
        Binding("down", "move('cursor_down')", show=False, priority=True),
        Binding("up", "move('cursor_up')", show=False, priority=True),
        Binding("pagedown", "move('page_down')", show=False, priority=True),
        Binding("pageup", "move('page_up')", show=False, priority=True),
        Binding("space", "choose", "choose", priority=True, id="choose.one"),
    ]

    def __init__(
        self, text: str, options: Sequence[tuple[str, str, str]], chosen: Sequence[str] = (), *, many: bool = False
    ) -> None:
        super().__init__()
        self._text, self._options, self._many = text, options, many
        self._chosen, self._before = list(chosen), list(chosen)
        self._width = max((len(name) for _, name, _ in options), default=0)

    def compose(self) -> ComposeResult:
        with Vertical() as box:
            box.border_title = Content(self._text)
            box.border_subtitle = Content("space chooses · enter takes them" if self._many else "type to find · enter")
            yield (_Find if self._many else Input)(placeholder="type to find", compact=True)
            yield OptionList(markup=False)
            yield Static("Nothing is called so.", id="none")

    def on_mount(self) -> None:
        self.query_one(OptionList).can_focus = False
        self._fill("")

    def on_input_changed(self, event: Input.Changed) -> None:
        self._fill(event.value)

    def _fill(self, text: str) -> None:
        words = text.casefold().split()
        found = [
            option for option in self._options if all(word in " ".join(option).casefold() for word in words)
        ]  # fmt: skip
        found.sort(key=lambda option: distance(text, *option[:2]))
        listed = self.query_one(OptionList)
        listed.clear_options()
        listed.add_options(Option(self._line(*option), id=option[0] or None) for option in found)
        listed.highlighted = 0 if found else None
        self._found = found
        self.query_one("#none").display = not found
        listed.display = bool(found)

    def _line(self, key: str, name: str, about: str) -> Content:
        sign = ("[x] " if key in self._chosen else "[ ] " if key else "    ") if self._many else ""
        return Content.assemble(sign, name.ljust(self._width + 2), (about, "$foreground 60%"))

    def _highlighted(self) -> tuple[str, str, str] | None:
        row = self.query_one(OptionList).highlighted
        return None if row is None else self._found[row]

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        return self._many if action == "choose" else True

    def action_move(self, what: str) -> None:
        getattr(self.query_one(OptionList), f"action_{what}")()

    def action_choose(self) -> None:
        option = self._highlighted()
        if option is None:
            return
        if not option[0]:
            self.dismiss(())
            return
        self._chosen.remove(option[0]) if option[0] in self._chosen else self._chosen.append(option[0])
        listed = self.query_one(OptionList)
        assert listed.highlighted is not None
        listed.replace_option_prompt_at_index(listed.highlighted, self._line(*option))

    def on_input_submitted(self) -> None:
        option = self._highlighted()
        if self._many:
            none = option is not None and not option[0] and self._chosen == self._before
            self.dismiss(() if none else tuple(self._chosen))
        elif option is not None:
            self.dismiss((option[0],))
