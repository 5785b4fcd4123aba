"""The fields of a form, one line each, and the small windows that they and their form open."""

from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar, NamedTuple

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.geometry import Region
from textual.message import Message
from textual.screen import ModalScreen
from textual.widget import Widget
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from tuitrain.config.settings import Setting, settings
from tuitrain.config.values import from_text, to_text
from tuitrain.errors import ConfigError
from tuitrain.text import plain

# Columns: the bar and the dot, the label, the value where a note follows it.
MARKS, LABEL, VALUE = 3, 17, 18
LONGEST = 4096
MARK_HINT = "space marks"

LABELS = {
    "data.dataset": "data set", "data.dir": "folder", "model.name": "network",
    "optimizer.name": "update rule", "optimizer.lr": "learning rate", "optimizer.beta1": "beta 1",
    "optimizer.beta2": "beta 2", "optimizer.clip_norm": "clip norm at", "schedule.name": "shape",
    "schedule.every": "drop every", "schedule.gamma": "drop factor", "schedule.final": "final fraction",
    "training.max_minutes": "minutes at most", "training.checkpoint_every": "checkpoint every",
    "training.threads": "CPU threads",
}  # fmt: skip


class Only(NamedTuple):
    """A setting counts only where `key` has one of `values`."""

    key: str
    values: tuple[str, ...]

    def __call__(self, values: Mapping[str, object]) -> bool:
        return values.get(self.key) in self.values

    def __str__(self) -> str:
        rest = [choice for choice in settings()[self.key].choices if choice not in self.values]
        return f"not {', '.join(rest)}" if len(rest) < 3 else f"{', '.join(self.values)} only"


_FOLDER = Only("data.dataset", ("image-folder",))
_OWN_NETWORKS = Only("model.name", ("mlp", "cnn"))
_MOMENTS = Only("optimizer.name", ("adam", "adamw", "nadam", "radam", "muon"))

APPLIES: dict[str, Only] = {
    "data.dir": Only("data.dataset", tuple(name for name in settings()["data.dataset"].choices if name != "digits")),
    "data.image_size": _FOLDER,
    "data.channels": _FOLDER,
    "data.storage": _FOLDER,
    "data.workers": _FOLDER,
    "model.hidden": Only("model.name", ("mlp",)),
    "model.dropout": _OWN_NETWORKS,
    "model.batch_norm": _OWN_NETWORKS,
    "optimizer.momentum": Only("optimizer.name", ("sgd", "rmsprop", "muon")),
    "optimizer.nesterov": Only("optimizer.name", ("sgd", "muon")),
    "optimizer.beta1": _MOMENTS,
    "optimizer.beta2": _MOMENTS,
    "schedule.every": Only("schedule.name", ("step",)),
    "schedule.gamma": Only("schedule.name", ("step", "plateau")),
    "schedule.patience": Only("schedule.name", ("plateau",)),
    "schedule.final": Only("schedule.name", ("exponential", "cosine", "one-cycle")),
}


def label(key: str) -> str:
    return LABELS.get(key, key.rpartition(".")[2].replace("_", " "))


def shown(value: object) -> str:
    """`value` as a field shows it, and as `from_text` reads it: a list without its brackets."""
    text = to_text(value)
    return plain(text[1:-1] if isinstance(value, tuple) else text, LONGEST)


class Field(Widget):
    """One line: a bar where it has the focus, a dot where its value was changed, label, value, note.

    `text` is what stands in it, right or wrong. `setting` None: any text.
    """

    DEFAULT_CSS = """
    Field { height: 1; color: $foreground; }
    Field:focus, Field:focus-within { background: $panel; }
    Field.-off { color: $foreground-disabled; }
    Field > Input, Field > Input:focus { width: 1fr; background: transparent; color: $foreground; }
    Field.-noted > Input { width: 18; max-width: 18; }
    Field.-off > Input { color: $foreground-disabled; }
    """

    class Changed(Message):
        def __init__(self, field: "Field") -> None:
            super().__init__()
            self.field = field

    def __init__(self, key: str, name: str, setting: Setting | None = None, text: str = "") -> None:
        super().__init__()
        self.key, self.label, self.setting = key, name, setting
        self._text = text
        self.error = self.unused = ""

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
            return bool(from_text(self.key, self.text) != self.setting.default)
        except ConfigError:
            return True

    @property
    def target(self) -> Widget:
        """What takes the focus."""
        return self

    def tell(self, error: str, unused: str) -> None:
        """Beside the value: what is wrong with it, or where alone it is used; both may be empty."""
        if (error, unused) != (self.error, self.unused):
            self.error, self.unused = error, unused
            self.set_class(bool(error or unused), "-noted")
            self.set_class(bool(unused), "-off")
            self.refresh()

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
        note = (f"✗ {self.error}", "$text-error") if self.error else (self.unused, "$foreground-disabled")
        if note[0]:
            line = line.pad_right(max(MARKS + LABEL + VALUE - line.cell_length, 0)) + Content.assemble(" ", note)
        return line.truncate(max(self.size.width, 1), ellipsis=True)


class TextField(Field):
    """Edited in place."""

    DEFAULT_CSS = f"TextField > Input {{ margin-left: {MARKS + LABEL}; }}"

    def compose(self) -> ComposeResult:
        placeholder = "none" if self.setting and self.setting.many else ""
        self._input = Input(self._text, compact=True, placeholder=placeholder)
        self._input.cursor_blink = False
        yield self._input

    @property
    def target(self) -> Widget:
        return self._input

    @property
    def text(self) -> str:
        return self._text

    @text.setter
    def text(self, text: str) -> None:
        self._input.value = text

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        clean = plain(event.value, LONGEST)
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

    def on_key(self, event: events.Key) -> None:
        if event.character and event.character.isalnum():
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
        choices = ("",) * bool(self.setting and self.setting.many) + self._choices
        index = choices.index(self.text) if self.text in choices else 0
        self.text = choices[(index + step) % len(choices)]

    def action_open(self, typed: str = "") -> None:
        def chosen(answer: tuple[str, ...] | None) -> None:
            if answer is not None:
                self.text = ", ".join(answer)

        many = bool(self.setting and self.setting.many)
        at = Region(self.region.x + MARKS + LABEL, self.region.y, 1, 1)
        self.app.push_screen(
            Pick([(choice, "") for choice in self._choices], self._chosen, many=many, at=at, typed=typed), chosen
        )


class SwitchField(ChoiceField):
    """True or false."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space,enter", "open", "change", key_display="space", tooltip="True or false"),
        Binding("left,right", "open", show=False),
    ]

    def value(self) -> Content:
        return Content("[x] true" if self.text == "true" else "[ ] false")

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


class Pick(ModalScreen[tuple[str, ...] | None]):
    """A list to choose from, below `at` or in the middle; typing leaves only what contains it.

    `options` are (value, what it means) pairs; dismissed with the values chosen, None for escape.
    """

    # Not DEFAULT_CSS, which an app's rules for all its screens would come before.
    CSS = """
    Pick { background: transparent; }
    Pick.-middle { align: center middle; background: $background 60%; }
    Pick > OptionList, Pick > OptionList:focus {
        width: auto; height: auto; max-width: 96%; max-height: 80%; padding: 0; scrollbar-size-vertical: 1;
        background: $surface; background-tint: transparent; border: round $border;
        border-title-color: $accent; border-subtitle-color: $foreground-muted;
        text-wrap: nowrap; text-overflow: ellipsis;
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss", "cancel"),
        Binding("backspace", "shorten", show=False),
    ]

    def __init__(
        self,
        options: Sequence[tuple[str, str]],
        chosen: Sequence[str] = (),
        *,
        many: bool = False,
        at: Region | None = None,
        typed: str = "",
        title: str = "",
    ) -> None:
        super().__init__(classes="" if at else "-middle")
        self._options, self._chosen, self._many, self._at = options, list(chosen), many, at
        self._typed, self._title = typed, title
        self._marked = False

    def compose(self) -> ComposeResult:
        yield OptionList(markup=False)

    def on_mount(self) -> None:
        self._fill()

    def _place(self, count: int) -> None:
        """Below the field where there is room for what is there now, or more of it than above."""
        if self._at is None:
            return
        box, room = self.query_one(OptionList).styles, self.size.height
        width = max(*(len(name) + 4 * self._many for name, _ in self._options), len(MARK_HINT) * self._many) + 6
        under, over = room - self._at.bottom, self._at.y
        below = under >= min(len(self._options) + 2, over)
        height = min(count + 2, under if below else over)
        box.width, box.height = width, height
        box.offset = (max(min(self._at.x - 2, self.size.width - width), 0), self._at.bottom if below else over - height)

    def _fill(self, highlight: str = "") -> None:
        box = self.query_one(OptionList)
        typed = self._typed.lower()
        matching = [(name, about) for name, about in self._options if typed in name.lower()]
        matching.sort(key=lambda option: not option[0].lower().startswith(typed))
        pad = max(len(name) for name, about in self._options) if any(about for _, about in self._options) else 0
        box.set_options(
            Option(Content(f" {self._sign(name)}{name.ljust(pad)}{about and '  '}{about} "), id=name)
            for name, about in matching
        )
        self._place(max(len(matching), 1))
        wanted = highlight or ("" if typed else next(iter(self._chosen), ""))
        names = [name for name, _ in matching]
        box.highlighted = names.index(wanted) if wanted in names else 0 if names else None
        box.border_title = Content(f"{self._typed}_" if self._typed else self._title)
        box.border_subtitle = Content(MARK_HINT if self._many else "")

    def _sign(self, name: str) -> str:
        return ("[x] " if name in self._chosen else "[ ] ") if self._many else ""

    def on_key(self, event: events.Key) -> None:
        if event.key == "space" and not self._typed:
            event.stop()
            self._mark()
        elif event.character and event.is_printable:
            event.stop()
            self._typed += event.character
            self._fill()

    def _mark(self) -> None:
        option = self.query_one(OptionList).highlighted_option
        if option is None or option.id is None:
            return
        if not self._many:
            self.dismiss((option.id,))
        else:
            self._marked = True
            marked = set(self._chosen) ^ {option.id}
            self._chosen = [name for name, _ in self._options if name in marked]
            self._fill(option.id)

    def action_shorten(self) -> None:
        self._typed = self._typed[:-1]
        self._fill()

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self.dismiss(tuple(self._chosen) if self._marked else (event.option.id or "",))


class Ask(ModalScreen[None]):
    """A line of text to type. `submit` is given it and says why it will not do; nothing: it was done."""

    CSS = """
    Ask { align: center middle; background: $background 60%; }
    Ask > Vertical {
        width: 72; max-width: 96%; height: auto; padding: 0 1; background: $surface; border: round $border;
        border-title-color: $accent; border-subtitle-color: $foreground-muted;
    }
    Ask Input, Ask Input:focus { background: $panel; }
    Ask Static { height: auto; color: $text-warning; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss", "cancel")]

    def __init__(self, title: str, value: str, submit: Callable[[str], str]) -> None:
        super().__init__()
        self._title, self._value, self._submit = title, value, submit

    def compose(self) -> ComposeResult:
        with Vertical() as box:
            box.border_title = Content(self._title)
            box.border_subtitle = Content("enter · escape cancels")
            yield Input(plain(self._value, LONGEST), compact=True, select_on_focus=False)
            yield Static()

    def on_mount(self) -> None:
        self.query_one(Input).cursor_blink = False
        self.query_one(Static).display = False

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        said = self._submit(event.value.strip())
        if not said:
            self.dismiss()
        self.query_one(Static).display = bool(said)
        self.query_one(Static).update(Content(said))
