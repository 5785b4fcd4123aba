"""The form: one field per setting, grouped by section."""

from collections import Counter
from collections.abc import Mapping
from itertools import pairwise
from typing import Annotated, Final, cast

from msgspec import Meta, Struct, structs
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from tuitrain.config.arguments import TABLE
from tuitrain.config.code import COMMAND
from tuitrain.config.settings import Setting, declared_settings, sections, settings
from tuitrain.hosts.slurm.client import has_slurm
from tuitrain.widgets.forms.draft import Draft, RunsIn
from tuitrain.widgets.forms.fields import Field, PressField, TextField, make_field
from tuitrain.widgets.forms.labels import HIDEABLE, unused_reason

# The keys of fields that are not settings.
NAME, RUNS_IN = "name", "start.runs_in"
NAME_HELP = ("Name of the run, also part of its folder name", "any text, or none")
BACKGROUND: Final = "background process"
QUEUE: Final = "queue"
SLURM: Final = "Slurm"


class StartOptions(Struct):
    runs_in: Annotated[
        RunsIn,
        Meta(description="Where the run trains; a background process survives the app, the queue waits for a device"),
    ] = "this app"


class SectionTitle(Static):
    """The title of a section, with the number of its fields that do not apply and are hidden."""

    def __init__(self, section: str, title: str, details: str) -> None:
        super().__init__(classes="section")
        self.section, self._title, self._details = section, title, details
        self._hidden: int | None = None
        self.show_hidden(0)

    def show_hidden(self, count: int) -> None:
        if count == self._hidden:
            return
        self._hidden = count
        more = f" · {count} hidden (^f)" if count else ""
        text = Content.assemble((self._title, "bold $accent"), (f"  {self._details}{more}", "$foreground-disabled"))
        self.update(text, layout=False)


class Form(VerticalScroll, can_focus=False, inherit_bindings=False):
    """A list of fields that scrolls to the focused one."""

    def __init__(self, draft: Draft, *, in_background: bool) -> None:
        super().__init__()
        self._initial, self._in_background = draft, in_background
        self.fields: dict[str, Field] = {}
        self._titles: list[SectionTitle] = []
        self.start = PressField("start", "▸ Start run")

    def compose(self) -> ComposeResult:
        yield self._add(TextField(NAME, "run name", None, self._initial.name))
        runs_in = declared_settings("start", StartOptions)[RUNS_IN]
        if not has_slurm():
            runs_in = structs.replace(runs_in, choices=tuple(text for text in runs_in.choices if text != SLURM))
        yield self._add(make_field(runs_in, BACKGROUND if self._in_background else runs_in.default))
        for section, help in sections().items():
            title, _, details = help.partition(": ")
            self._titles.append(SectionTitle(section, title, details))
            yield self._titles[-1]
            for key, setting in settings().items():
                if setting.section == section:
                    yield self._add(make_field(setting, self._initial.texts[key]))
        yield self.start
        # Textual mounts the fields when this method ends. Those marked later would compute their styles once more.
        self.mark({}, {}, is_sweep=False)

    def _add(self, field: Field) -> Field:
        self.fields[field.key] = field
        return field

    @property
    def name_text(self) -> str:
        return self.fields[NAME].text.strip()

    @property
    def runs_in(self) -> RunsIn:
        return cast(RunsIn, self.fields[RUNS_IN].text)

    @property
    def texts(self) -> dict[str, str]:
        return {key: self.fields[key].text for key in settings()}

    def set_locked(self, locked: bool) -> None:
        """Prevent changes and open lists while a run starts."""
        for field in self.fields.values():
            field.locked = locked

    def fill(self, draft: Draft) -> None:
        self.fields[NAME].text = draft.name
        for key, text in draft.texts.items():
            self.fields[key].text = text

    def mark(self, errors: Mapping[str, str], counts: Mapping[str, int], *, is_sweep: bool) -> None:
        """Set the note of each field: its error, why it is ignored, or the number of its values."""
        texts = self.texts
        for key, field in self.fields.items():
            unused = unused_reason(key, texts)
            if key == RUNS_IN and is_sweep and self.runs_in not in (QUEUE, SLURM):
                unused = "ignored: sweeps run in the background"
            field.set_note(errors.get(key, ""), unused, counts.get(key, 1))
        self._fold()

    def _fold(self) -> None:
        """Hide the fields that do not apply, unless they were changed, are invalid or have the focus."""
        hidden: Counter[str] = Counter()
        for key, field in self.fields.items():
            field.display = not (key in HIDEABLE and field.unused) or bool(
                field.changed or field.error or field.has_focus_within
            )
            hidden[_section(field)] += not field.display
        for title in self._titles:
            title.show_hidden(hidden[title.section])

    @property
    def changed(self) -> int:
        return sum(self.fields[key].changed for key in settings())

    @property
    def current(self) -> Field | None:
        focused = self.screen.focused
        return next((field for field in (*self.fields.values(), self.start) if field.target is focused), None)

    def focus_key(self, key: str) -> None:
        """Focus a field, which is shown even if it does not apply."""
        self.fields[key].display = True
        self.fields[key].target.focus()

    def focus_section(self, step: int) -> None:
        fields = [field for field in self.fields.values() if field.display]
        firsts = [fields[0]] + [b for a, b in pairwise(fields) if _section(a) != _section(b)]
        index = [_section(first) for first in firsts].index(_section(self.current)) if self.current in fields else -1
        firsts[(index + step) % len(firsts)].target.focus()

    def help(self) -> Content:
        """Return two lines about the focused field."""
        field = self.current
        if field is None:
            title, about = "layers", "of the network, in execution order"
            allowed = "↑ ↓ scroll, tab returns to the fields"
        elif field.setting is None:
            title = field.label
            about, allowed = NAME_HELP if field.key == NAME else ("ctrl+r starts from any field", "")
        else:
            title, about = field.key if field.key in settings() else field.label, field.setting.help
            hint = _several_values_hint(field.setting)
            allowed = f"{field.setting.allowed} · default {field.default or 'none'}{hint}"
        parts = []
        if field and field.error:
            prefix = "must be " * (field.error == allowed.partition(" · ")[0])
            allowed = allowed.removeprefix(field.error).removeprefix(" · ")
            parts = [(f"✗ {prefix}{field.error} · ", "$text-error")]
        parts += [(f"{field.unused} · ", "$text-warning")] if field and field.unused else []
        return Content.assemble((title, "bold"), f"  {about}\n", *parts, (allowed, "$foreground-muted"))


def _section(field: Field | None) -> str:
    return field.setting.section if field and field.key in settings() and field.setting else ""


def _several_values_hint(setting: Setting) -> str:
    """Explain how to enter several values, if the setting allows it."""
    if setting.key in (COMMAND, TABLE) or setting.key not in settings() or (setting.is_list and setting.choices):
        return ""
    example = "[64], [128]" if setting.is_list else "a, b"
    return f" · {example}: one run each" + "; quote a comma" * setting.is_free_text
