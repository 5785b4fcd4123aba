"""The fields of a form, one line each."""

from dataclasses import dataclass
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

from tuitrain.config.code import is_spec
from tuitrain.config.formatting import quoted, split_texts, unquoted
from tuitrain.config.networks import TIMM, facts, timm_names
from tuitrain.config.settings import Setting, settings
from tuitrain.config.values import parse_value
from tuitrain.errors import ConfigError
from tuitrain.text import plain
from tuitrain.widgets.forms.fixed_input import FixedInput
from tuitrain.widgets.forms.labels import MAX_TEXT, field_text, label
from tuitrain.widgets.forms.path_input import PathInput
from tuitrain.widgets.forms.pick_list import PickList

# Widths: focus bar and change dot, label, minimum of a value with a note after it.
MARKS, LABEL, VALUE = 3, 17, 10
# The settings that are paths.
PATHS = ("data.dir", "data.labels", "data.exclude", "data.transform", "model.weights")


class Field(Widget):
    """A line of the form: bar if focused, dot if changed, label, value, note. `text` is the content, valid or not. A
    field without a `setting` accepts any text. Keys do not change a `locked` field."""

    DEFAULT_CSS = """
    Field { height: 1; color: $foreground; }
    Field:focus, Field:focus-within { background: $panel; }
    Field.-off { color: $foreground-disabled; }
    Field > Input, Field > Input:focus { width: 1fr; background: transparent; color: $foreground; }
    Field.-off > Input { color: $foreground-disabled; }
    """

    locked = False

    @dataclass
    class Changed(Message):
        field: "Field"

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
            self.accept(text)
            self.show_text()

    def accept(self, text: str) -> None:
        """Store a text that the field shows already."""
        self._text = text
        self.post_message(self.Changed(self))
        self.refresh()

    def show_text(self) -> None:
        """Show a text that the user did not type here."""

    @property
    def default(self) -> str:
        return field_text(self.setting.default) if self.setting else ""

    @property
    def changed(self) -> bool:
        if self.setting is None:
            return bool(self.text)
        try:
            return bool(parse_value(self.setting, self.text) != self.setting.default)
        except ConfigError:
            return True

    @property
    def target(self) -> Widget:
        """The widget that takes the focus."""
        return self

    def set_note(self, error: str, unused: str, count: int) -> None:
        """Set the note: an error, why the setting is ignored, or the number of values."""
        if (error, unused, count) != (self.error, self.unused, self.count):
            self.error, self.unused, self.count = error, unused, count
            self.set_class(bool(unused), "-off")
            self.refresh()

    @property
    def note(self) -> tuple[str, str]:
        if self.error:
            return f"✗ {self.error}", "$text-error"
        if self.unused:
            return self.unused, "$foreground-disabled"
        return (f"← {self.count} values", "$accent") if self.count > 1 else ("", "")

    @property
    def value_width(self) -> int:
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
    """A field edited in place."""

    DEFAULT_CSS = f"TextField > Input {{ margin-left: {MARKS + LABEL}; }}"

    def __init__(self, key: str, name: str, setting: Setting | None = None, text: str = "") -> None:
        super().__init__(key, name, setting, text)
        placeholder = "none" if setting and setting.is_list else ""
        self._input = (
            PathInput(text, folders_only=key == "data.dir", several=True)
            if key in PATHS
            else FixedInput(text, compact=True, placeholder=placeholder)
        )
        self._input.cursor_blink = False

    def compose(self) -> ComposeResult:
        yield self._input

    @property
    def target(self) -> Widget:
        return self._input

    def on_resize(self) -> None:
        self._fit_input()

    def set_note(self, error: str, unused: str, count: int) -> None:
        super().set_note(error, unused, count)
        self._fit_input()

    def _fit_input(self) -> None:
        self._input.styles.width = self.value_width if self.note[0] else "1fr"

    def show_text(self) -> None:
        self._input.value = self._text

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        clean = self._text if self.locked else plain(event.value, MAX_TEXT)
        if clean != event.value:
            self._input.value = clean
        elif clean != self._text:
            self.accept(clean)


class ChoiceField(Field, can_focus=True):
    """A field for one of several choices, or a list of them."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space,enter", "open", "choose", key_display="space", tooltip="Choose from a list, found by typing"),
        Binding("left", "cycle(-1)", tooltip="Previous choice", show=False),
        Binding("right", "cycle(1)", tooltip="Next choice", show=False),
    ]
    _list: PickList | None = None

    def check_consume_key(self, key: str, character: str | None = None) -> bool:  # noqa: ARG002
        return character is not None and self._opens(character)

    def _opens(self, character: str) -> bool:
        """Return whether typing this character opens the list. The first characters of paths do not."""
        return character.isalnum() or (self._from_file and character in "~/.")

    @property
    def _from_file(self) -> bool:
        return bool(self.setting and "FILE.py:NAME" in self.setting.others)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        return not self.locked

    def on_key(self, event: events.Key) -> None:
        if self._list is not None and event.is_printable:
            # The list is still opening: forward what is typed ahead.
            event.stop()
            self._list.post_message(events.Key(event.key, event.character))
        elif event.character and self._opens(event.character) and not self.locked:
            event.stop()
            self.action_open(event.character)

    def value(self) -> Content:
        return Content.assemble(self.text or "none", (" ▾", "$foreground-muted"))

    @property
    def _choices(self) -> tuple[str, ...]:
        return self.setting.choices if self.setting else ()

    @property
    def _chosen(self) -> list[str]:
        return [unquoted(text.strip()) for text in split_texts(self.text) if text.strip()]

    def action_cycle(self, step: int) -> None:
        choices = ("",) * bool(self.setting and self.setting.is_list) + self._choices
        index = choices.index(self.text) if self.text in choices else 0
        self.text = choices[(index + step) % len(choices)]

    def action_open(self, typed: str = "") -> None:
        is_list = bool(self.setting and self.setting.is_list)

        def chosen(answer: tuple[str, ...] | None) -> None:
            self._list = None
            if answer or (is_list and answer is not None):
                self.text = ", ".join(map(quoted, answer))

        at = Region(self.region.x + MARKS + LABEL, self.region.y, 1, 1)
        options = [(choice, choice, "") for choice in self._choices]
        if self.key == "model.name":
            options += [(name, name, str(facts(name))) for name in map(TIMM.__add__, timm_names())]
        if self._from_file:
            options += [(spec, spec, "") for spec in self._chosen if is_spec(spec)]
        if self._list is None:
            # Several values of a setting make several runs.
            many = is_list or self.key in settings()
            others = is_spec if self._from_file else None
            self._list = PickList(options, self._chosen, many=many, at=at, typed=typed, others=others)
            self.app.push_screen(self._list, chosen)


class SwitchField(ChoiceField):
    """A field for true or false; a comma selects both, for one run each."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space,enter", "open", "change", key_display="space", tooltip="Toggle"),
        Binding("left,right", "open", show=False),
        Binding("comma", "both", "both", key_display=",", tooltip="One run with true and one with false"),
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
    """A button."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter,space", "press", show=False)]

    class Pressed(Message):
        pass

    def check_consume_key(self, key: str, character: str | None = None) -> bool:  # noqa: ARG002
        return character is not None and character.isalnum()

    def action_press(self) -> None:
        self.post_message(self.Pressed())

    def render(self) -> Content:
        focused = self.has_focus
        return Content.assemble(
            ("▌" if focused else " ", "$accent"), "  ", (self.label, "bold $accent" if focused else "$accent")
        )


def make_field(setting: Setting, text: str) -> Field:
    kind = ChoiceField if setting.choices else SwitchField if setting.kind is bool else TextField
    return kind(setting.key, label(setting.key), setting, text)
