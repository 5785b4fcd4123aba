"""All the fields of a new run, below each other."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Annotated, Literal

from msgspec import Meta, Struct
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from tuitrain.config.settings import Setting, declared_settings, sections, settings
from tuitrain.widgets.forms.draft import Draft
from tuitrain.widgets.forms.fields import Field, PressField, TextField, field_of
from tuitrain.widgets.forms.labels import APPLIES

# Keys of the fields that are no settings of the run.
NAME, PLACE = "name", "start.runs_in"
NAME_HELP = ("what to call the run, in its folder's name too", "any text, also none")
OWN = "a process of its own"


class Place(Struct):
    runs_in: Annotated[
        Literal["this app", "a process of its own"],
        Meta(description="who trains it; a process of its own goes on when this app is left"),
    ] = "this app"


class Form(VerticalScroll, can_focus=False, inherit_bindings=False):
    """Scrolls to whatever has the focus, by no keys of its own."""

    def __init__(self, draft: Draft, *, own_process: bool) -> None:
        super().__init__()
        self._first, self._own = draft, own_process
        self.fields: dict[str, Field] = {}

    def compose(self) -> ComposeResult:
        yield self._add(TextField(NAME, "run name", None, self._first.name))
        place = declared_settings("start", Place)[PLACE]
        yield self._add(field_of(place, OWN if self._own else place.default))
        for section, about in sections().items():
            title, _, words = about.partition(": ")
            line = Content.assemble((title, "bold $accent"), (f"  {words}", "$foreground-disabled"))
            yield Static(line, classes="section")
            for key, setting in settings().items():
                if setting.section == section:
                    yield self._add(field_of(setting, self._first.texts[key]))
        yield PressField("start", "▸ start the run")

    def _add(self, field: Field) -> Field:
        self.fields[field.key] = field
        return field

    @property
    def name_text(self) -> str:
        return self.fields[NAME].text.strip()

    @property
    def own_process(self) -> bool:
        return self.fields[PLACE].text == OWN

    @property
    def texts(self) -> dict[str, str]:
        """Of the settings, by key."""
        return {key: self.fields[key].text for key in settings()}

    def fix(self, fixed: bool) -> None:
        """No key changes a setting, or opens a list that the run's own screen would wait for, while a run starts."""
        for field in self.fields.values():
            field.fixed = fixed

    def fill(self, draft: Draft) -> None:
        self.fields[NAME].text = draft.name
        for key, text in draft.texts.items():
            self.fields[key].text = text

    def mark(self, errors: Mapping[str, str], counts: Mapping[str, int]) -> None:
        """Beside each field what is wrong with it, why it does not count, or how many values it has."""
        texts = self.texts
        for key, field in self.fields.items():
            applies = APPLIES.get(key)
            unused = "" if applies is None or applies(texts) else str(applies)
            if key == PLACE and counts:
                unused = "single runs only"
            field.tell(errors.get(key, ""), unused, counts.get(key, 1))

    @property
    def changed(self) -> int:
        """How many settings are not at their defaults."""
        return sum(self.fields[key].changed for key in settings())

    @property
    def current(self) -> Field | None:
        """The one that has the focus."""
        focused = self.screen.focused
        return next((field for field in self.query(Field) if focused in (field, *field.children)), None)

    def focus_key(self, key: str) -> None:
        self.fields[key].target.focus()

    def section(self, step: int) -> None:
        """Focus the first field of the section that many further on."""
        fields = list(self.fields.values())
        firsts = [fields[0]] + [b for a, b in pairwise(fields) if _section(a) != _section(b)]
        here = [_section(first) for first in firsts].index(_section(self.current)) if self.current in fields else -1
        firsts[(here + step) % len(firsts)].target.focus()

    def help(self) -> Content:
        """Two lines on the field that has the focus."""
        field = self.current
        if field is None:
            title, about, allowed = "layers", "of the network, as they run", "↑ and ↓ scroll, tab goes on to the fields"
        elif field.setting is None:
            title = field.label
            about, allowed = NAME_HELP if field.key == NAME else ("ctrl+r starts it from any field", "")
        else:
            title, about = field.key if field.key in settings() else field.label, field.setting.help
            allowed = f"{field.setting.allowed} · default {field.default or 'none'}{_several(field.setting)}"
        parts = []
        if field and field.error:
            must = "must be " * (field.error == allowed.partition(" · ")[0])
            allowed = allowed.removeprefix(field.error).removeprefix(" · ")
            parts = [(f"✗ {must}{field.error} · ", "$text-error")]
        parts += [(f"not used now: {field.unused} · ", "$text-warning")] if field and field.unused else []
        return Content.assemble((title, "bold"), f"  {about}\n", *parts, (allowed, "$foreground-muted"))


def _section(field: Field | None) -> str:
    return field.setting.section if field and field.key in settings() and field.setting else ""


def _several(setting: Setting) -> str:
    """How to write several values, where there may be."""
    free = setting.kind is str and not setting.choices and setting.key != "training.device"
    if free or setting.key not in settings() or (setting.is_list and setting.choices):
        return ""
    return " · [64], [128]: a run with each" if setting.is_list else " · several, with commas: a run with each"
