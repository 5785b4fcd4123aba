"""The fields of a form, one line each."""

from typing import ClassVar

from rich.cells import cell_len
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.geometry import Region
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Input

from tuitrain.config.settings import Setting, settings
from tuitrain.config.values import parse_value
from tuitrain.errors import ConfigError
from tuitrain.text import plain
from tuitrain.widgets.forms.labels import LONGEST, label, shown
from tuitrain.widgets.forms.pick_list import PickList

# Columns: the bar and the dot, the label, the value where a note follows it.
MARKS, LABEL, VALUE = 3, 17, 18


class Field(Widget):
    """One line: a bar where it has the focus, a dot where its value was changed, label, value, note.

    `text` is what stands in it, right or wrong. `setting` None: any text. `fixed`: keys do not change it.
    """

    DEFAULT_CSS = """
    Field { height: 1; color: $foreground; }
    Field:focus, Field:focus-within { background: $panel; }
    Field.-off { color: $foreground-disabled; }
    Field > Input, Field > Input:focus { width: 1fr; background: transparent; color: $foreground; }
    Field.-off > Input { color: $foreground-disabled; }
    """

    fixed = False

    class Changed(Message):
        def __init__(self, field: "Field") -> None:
            super().__init__()
            self.field = field

    def __init__(self, key: str, name: str, setting: Setting | None = None, text: str = "") -> None:
        super().__init__()
        self.key, self.label, self.setting = key, name, setting
        self._text = text
        self.error = self.unused = ""
        self.count = 1

    @property
    def text(self) -> str:
        return self._text

    @text.setter
    def text(self, text: str) -> None:
        if text != self._text:
            self._text = text
            self.post_message(self.Changed(self))
            self.refresh()

    @property
    def default(self) -> str:
        return shown(self.setting.default) if self.setting else ""

    @property
    def changed(self) -> bool:
        """Whether it says something else than the default."""
        if self.setting is None:
            return bool(self.text)
        try:
            return bool(parse_value(self.setting, self.text) != self.setting.default)
        except ConfigError:
            return True

    @property
    def target(self) -> Widget:
        """What takes the focus."""
        return self

    @property
    def takes_several(self) -> bool:
        """Whether several values in it make several runs."""
        return self.key in settings()

    def tell(self, error: str, unused: str, count: int) -> None:
        """Beside the value: what is wrong with it, where alone it is used, or how many values it has."""
        if (error, unused, count) != (self.error, self.unused, self.count):
            self.error, self.unused, self.count = error, unused, count
            self.set_class(bool(unused), "-off")
            self.refresh()

    @property
    def note(self) -> tuple[str, str]:
        """The words beside the value, and their style."""
        if self.error:
            return f"✗ {self.error}", "$text-error"
        if self.unused:
            return self.unused, "$foreground-disabled"
        return (f"← {self.count} values", "$accent") if self.count > 1 else ("", "")

    @property
    def value_width(self) -> int:
        """Where there is a note: as much as the value needs, and the note leaves."""
        room = self.size.width - MARKS - LABEL - cell_len(self.note[0]) - 2
        return max(VALUE, min(cell_len(self.text) + 1, room))

    def on_descendant_focus(self) -> None:
        self.refresh()

    def on_descendant_blur(self) -> None:
        self.refresh()

    def value(self) -> Content:
        return Content("")

    def render(self) -> Content:
        focused = self.has_focus_within
        tone = "$foreground-disabled" if self.unused else "$foreground" if focused else "$foreground-muted"
        line = Content.assemble(
            ("▌" if focused else " ", "$accent"),
            ("● " if self.changed else "  ", "$foreground-disabled" if self.unused else "$accent"),
            (self.label.ljust(LABEL)[:LABEL], tone),
        )
        line += self.value()
        if self.note[0]:
            start = MARKS + LABEL + self.value_width
            line = line.pad_right(max(start - line.cell_length, 0)) + Content.assemble(" ", self.note)
        return line.truncate(max(self.size.width, 1), ellipsis=True)


class TextField(Field):
    """Edited in place."""

    DEFAULT_CSS = f"TextField > Input {{ margin-left: {MARKS + LABEL}; }}"

    def compose(self) -> ComposeResult:
        placeholder = "none" if self.setting and self.setting.is_list else ""
        self._input = Input(self._text, compact=True, placeholder=placeholder)
        self._input.cursor_blink = False
        yield self._input

    @property
    def target(self) -> Widget:
        return self._input

    def on_resize(self) -> None:
        self._fit()

    def tell(self, error: str, unused: str, count: int) -> None:
        super().tell(error, unused, count)
        self._fit()

    def _fit(self) -> None:
        self._input.styles.width = self.value_width if self.note[0] else "1fr"

    @property
    def text(self) -> str:
        return self._text

    @text.setter
    def text(self, text: str) -> None:
        if text != self._text:
            self._text = self._input.value = text
            self.post_message(self.Changed(self))
            self.refresh()

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        clean = self._text if self.fixed else plain(event.value, LONGEST)
        if clean != event.value:
            self._input.value = clean
        elif clean != self._text:
            self._text = clean
            self.post_message(self.Changed(self))
            self.refresh()


class ChoiceField(Field, can_focus=True):
    """One of the choices, or a list of them."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space,enter", "open", "choose", key_display="space", tooltip="Choose from a list; type to find"),
        Binding("left", "cycle(-1)", tooltip="The choice before", show=False),
        Binding("right", "cycle(1)", tooltip="The next choice", show=False),
    ]

    def check_consume_key(self, key: str, character: str | None = None) -> bool:  # noqa: ARG002
        return character is not None and character.isalnum()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        return not self.fixed

    _window: PickList | None = None

    def on_key(self, event: events.Key) -> None:
        if self._window is not None and event.is_printable:
            # Typed faster than the window came.
            event.stop()
            self._window.post_message(events.Key(event.key, event.character))
        elif event.character and event.character.isalnum() and not self.fixed:
            event.stop()
            self.action_open(event.character)

    def value(self) -> Content:
        return Content.assemble(self.text or "none", (" ▾", "$foreground-muted"))

    @property
    def _choices(self) -> tuple[str, ...]:
        return self.setting.choices if self.setting else ()

    @property
    def _chosen(self) -> list[str]:
        return [word.strip() for word in self.text.split(",") if word.strip()]

    def action_cycle(self, step: int) -> None:
        choices = ("",) * bool(self.setting and self.setting.is_list) + self._choices
        index = choices.index(self.text) if self.text in choices else 0
        self.text = choices[(index + step) % len(choices)]

    def action_open(self, typed: str = "") -> None:
        def chosen(answer: tuple[str, ...] | None) -> None:
            self._window = None
            if answer is not None:
                self.text = ", ".join(answer)

        at = Region(self.region.x + MARKS + LABEL, self.region.y, 1, 1)
        options = [(choice, "") for choice in self._choices]
        listed = bool(self.setting and self.setting.is_list)
        many = listed or self.takes_several
        if self._window is None:
            self._window = PickList(options, self._chosen, many=many, empty=listed, at=at, typed=typed)
            self.app.push_screen(self._window, chosen)


class SwitchField(ChoiceField):
    """True or false; a comma: one run with each."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space,enter", "open", "change", key_display="space", tooltip="True or false"),
        Binding("left,right", "open", show=False),
        Binding("comma", "both", "both", key_display=",", tooltip="True and false: a run with each"),
    ]

    def value(self) -> Content:
        return Content({"true": "[x] true", "false": "[ ] false"}.get(self.text, self.text))

    def action_both(self) -> None:
        self.text = "true, false"

    def action_open(self, typed: str = "") -> None:
        self.text = {"t": "true", "y": "true", "1": "true", "f": "false", "n": "false", "0": "false"}.get(
            typed.lower(), self.text if typed else "false" if self.text == "true" else "true"
        )


class PressField(Field, can_focus=True):
    """A line to press enter on."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter,space", "press", show=False)]

    class Pressed(Message):
        pass

    check_consume_key = ChoiceField.check_consume_key

    def action_press(self) -> None:
        self.post_message(self.Pressed())

    def render(self) -> Content:
        focused = self.has_focus
        return Content.assemble(
            ("▌" if focused else " ", "$accent"), "  ", (self.label, "bold $accent" if focused else "$accent")
        )


def field_of(setting: Setting, value: object) -> Field:
    kind = ChoiceField if setting.choices else SwitchField if setting.kind is bool else TextField
    return kind(setting.key, label(setting.key), setting, shown(value))
