"""New run: is this the run I mean?"""

import re
import shlex
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar
from weakref import WeakKeyDictionary

from msgspec import Struct
from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Footer, Input, Static

from tuitrain.analysis import units
from tuitrain.config import toml
from tuitrain.config.presets import PRESETS, preset
from tuitrain.config.schema import Config
from tuitrain.config.settings import sections, settings
from tuitrain.config.values import build, changed, flat, from_text, to_text
from tuitrain.errors import ConfigError, RunError, TuitrainError
from tuitrain.hosts.launch import Request
from tuitrain.hosts.preview import Preview, Previewer
from tuitrain.hosts.thread import ThreadHost
from tuitrain.text import plain
from tuitrain.widgets.chart import theme_color, utf8_locale
from tuitrain.widgets.fields import APPLIES, Ask, Field, Pick, PressField, TextField, field_of, label, shown
from tuitrain.widgets.navigation import OpenRun
from tuitrain.widgets.plot import Line, View, draw

TICK = 0.15
BAR = 24
NAME = "name"
NAME_HELP = ("what to call the run, in its folder's name too", "any text, also none")


class Draft(Struct):
    """What stands in the form, right or wrong; `original` is the TOML file it was loaded from, or empty."""

    texts: dict[str, str]
    name: str = ""
    original: str = ""
    path: str = "run.toml"
    source: str = ""

    @classmethod
    def of(cls, config: Config, name: str = "", source: str = "") -> "Draft":
        return cls({key: shown(value) for key, value in flat(config).items()}, name, source=source)


# The draft that was last left in each app: escape loses nothing.
left: "WeakKeyDictionary[App[Any], Draft]" = WeakKeyDictionary()


def checked(texts: Mapping[str, str]) -> tuple[Config | None, dict[str, str]]:
    """The configuration, or what is wrong by key: what is allowed there, in a few words."""
    values: dict[str, object] = {}
    errors: dict[str, str] = {}
    for key, text in texts.items():
        try:
            values[key] = from_text(key, text)
        except ConfigError:
            errors[key] = settings()[key].allowed
    if errors:
        return None, errors
    try:
        return build(values), {}
    except ConfigError as error:
        return None, {error.key: brief(error)}


def brief(error: ConfigError) -> str:
    """Without the key and the value that it stands beside."""
    return re.sub(rf"^{re.escape(error.key)}( = [^ :]+)?:? +", "", error.message)


def command_line(config: Config, runs_dir: Path, name: str = "") -> str:
    """The same run for a shell; settings at their defaults are left out."""
    words = ["tuitrain", "train"]
    words += ["--runs-dir", str(runs_dir)] if runs_dir != Path("runs") else []
    words += ["--name", name] if name else []
    for key, value in changed(config).items():
        words += ["--set", f"{key}={to_text(value)}"]
    return shlex.join(words)


class Form(VerticalScroll, can_focus=False, inherit_bindings=False):
    """Scrolls to whatever has the focus, by no keys of its own."""


class Curve(Widget):
    """The learning rate over the epochs."""

    preview: Preview | None = None

    def show(self, preview: Preview) -> None:
        self.preview = preview
        self.refresh()

    def render(self) -> Text:
        if self.preview is None or self.size.height < 3:
            return Text()
        epochs, rates = self.preview.rates()
        muted = theme_color(self, "foreground-muted")
        count = self.preview.config.training.epochs
        title = Text(
            f"learning rate over {count:,} epoch{'s' * (count > 1)}", style=f"rgb({muted[0]},{muted[1]},{muted[2]})"
        )
        chart = draw(
            [Line("", epochs, rates, theme_color(self, "accent"))],
            self.size.width,
            self.size.height - 1,
            View(y_from=0, y_to=self.preview.config.optimizer.lr),
            braille=utf8_locale(),
            foreground=muted,
            grid=theme_color(self, "foreground-disabled"),
            empty="",
        )
        return Text("\n", no_wrap=True).join([title, chart])


class NewRunForm(Screen[None]):
    """Every setting in a field, and beside them what they come to."""

    CSS_PATH = "new_run.tcss"
    TITLE = "New run"
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-wide")]  # noqa: RUF012
    VERTICAL_BREAKPOINTS = [(0, "-short"), (24, "-tall")]  # noqa: RUF012
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+r", "start", "start", tooltip="Start the run", id="new.start"),
        Binding("escape", "cancel", "cancel", tooltip="Call the start off", id="new.cancel"),
        Binding("escape", "back", "back", tooltip="Back to the runs; the form is kept", id="new.back"),
        Binding("ctrl+t", "preset", "preset", tooltip="Fill the form from a preset", id="new.preset"),
        Binding("ctrl+o", "load", "load", tooltip="Fill the form from a TOML file", id="new.load"),
        Binding("ctrl+s", "save", "save", tooltip="Save the settings as a TOML file", id="new.save"),
        Binding("ctrl+y", "copy", "copy", tooltip="Copy the run as a command line", id="new.copy"),
        Binding("ctrl+g", "default", tooltip="This field back to its default", show=False, id="new.default"),
        Binding("tab,down", "move(1)", tooltip="Next field", show=False),
        Binding("shift+tab,up", "move(-1)", tooltip="Field before", show=False),
        Binding("pagedown", "section(1)", tooltip="Next section", show=False),
        Binding("pageup", "section(-1)", tooltip="Section before", show=False),
    ]

    def __init__(self, host: ThreadHost, runs_dir: Path, config: Config | None = None, name: str = "") -> None:
        super().__init__()
        self._host, self._runs_dir = host, runs_dir
        self._given = Draft.of(config, plain(name), f"the settings of {plain(name) or 'a run'}") if config else None
        self._fields: dict[str, Field] = {}
        self._errors: dict[str, str] = {}
        # What preparing or the preview said of a setting, until something is changed.
        self._refused: dict[str, str] = {}
        self._config: Config | None = None
        self._settled: Config | None = None
        self._preview: Preview | None = None
        self._previewer = Previewer()
        self._preparing = self._called_off = self._due = False

    def compose(self) -> ComposeResult:
        self._draft = self._given or left.get(self.app) or Draft.of(Config())
        self._opened = self._draft.texts, self._draft.name
        yield Static(id="head")
        with Horizontal(id="body"):
            with Form():
                yield self._add(TextField(NAME, "run name", None, self._draft.name))
                for section, about in sections().items():
                    title, _, words = about.partition(": ")
                    line = Content.assemble((title, "bold $accent"), (f"  {words}", "$foreground-disabled"))
                    yield Static(line, classes="section")
                    for key, setting in settings().items():
                        if setting.section == section:
                            yield self._add(field_of(setting, self._draft.texts[key]))
                yield PressField("start", "▸ start the run")
            with Vertical(id="preview"):
                yield Static(id="facts")
                yield Curve()
                yield Static(id="layers")
        yield Static(id="help")
        yield Static(id="command")
        yield Static(id="message")
        yield Footer(show_command_palette=False, compact=True)

    def _add(self, field: Field) -> Field:
        self._fields[field.key] = field
        return field

    def on_mount(self) -> None:
        self._check()
        self._say("")
        self.set_interval(TICK, self.tick)
        self._fields["data.dataset"].target.focus()

    def on_unmount(self) -> None:
        self._previewer.close()
        draft = self._now()
        if (draft.texts, draft.name) != self._opened:
            left[self.app] = draft

    def _now(self) -> Draft:
        """The draft as the fields have it."""
        self._draft.name = self._fields[NAME].text.strip()
        self._draft.texts = {key: field.text for key, field in self._fields.items() if key != NAME}
        return self._draft

    def _fill(self, draft: Draft) -> None:
        self._draft = draft
        self._fields[NAME].text = draft.name
        for key, text in draft.texts.items():
            self._fields[key].text = text
        self._changed()

    # What is right and what is wrong

    def on_field_changed(self) -> None:
        self._changed()

    def _changed(self) -> None:
        """Many fields may change at once; they are looked at once."""
        self._refused = {}
        if not self._due:
            self._due = True
            self._say("")
            self.call_later(self._check)

    def _check(self) -> None:
        self._due = False
        draft = self._now()
        self._config, self._errors = checked(draft.texts)
        self._mark()
        command = self.query_one("#command", Static)
        command.set_class(self._config is None, "-stale")
        if self._config is not None:
            command.update(Content(f"$ {plain(command_line(self._config, self._runs_dir, draft.name), 4000)}"))
        differing = sum(field.changed for key, field in self._fields.items() if key != NAME)
        source = f" · from {plain(draft.source)}" if draft.source else ""
        count = f"{differing} setting{'s' * (differing > 1)} changed" if differing else "all settings at their defaults"
        wrong = Content.assemble(" · ", (f"✗ {len(self._errors)} wrong", "$text-error")) if self._errors else ""
        self.query_one("#head", Static).update(
            Content.assemble(("New run", "bold $accent"), (f"{source} · {count}", "$foreground-muted"), wrong)
        )

    def _mark(self) -> None:
        """Beside each field what is wrong with it, or why it does not count."""
        texts = {key: field.text for key, field in self._fields.items()}
        for key, field in self._fields.items():
            applies = APPLIES.get(key)
            unused = "" if applies is None or applies(texts) else str(applies)
            field.tell(self._errors.get(key) or self._refused.get(key, ""), unused)
        self._help()

    # The lines at the bottom

    @property
    def _field(self) -> Field | None:
        """The one that has the focus."""
        focused = self.focused
        return next((field for field in self.query(Field) if focused in (field, *field.children)), None)

    def on_descendant_focus(self) -> None:
        self._help()

    def _help(self) -> None:
        field = self._field
        if field is None or field.setting is None:
            about, allowed = NAME_HELP if field and field.key == NAME else ("ctrl+r starts it from any field", "")
            title = field.label if field else ""
        else:
            title, about = field.key, field.setting.help
            allowed = f"{field.setting.allowed} · default {field.default or 'none'}"
        parts = []
        if field and field.error:
            must = "must be " * (field.error == allowed.partition(" · ")[0])
            allowed = allowed.removeprefix(field.error).removeprefix(" · ")
            parts = [(f"✗ {must}{field.error} · ", "$text-error")]
        parts += [(f"not used now: {field.unused} · ", "$text-warning")] if field and field.unused else []
        self.query_one("#help", Static).update(
            Content.assemble((title, "bold"), f"  {about}\n", *parts, (allowed, "$foreground-muted"))
        )

    def _say(self, words: str, style: str = "$text-error") -> None:
        message = self.query_one("#message", Static)
        message.display = bool(words)
        self.query_one("#command").display = not words
        message.update(Content.assemble((words, style)))

    # Moving

    def action_move(self, step: int) -> None:
        if step > 0:
            self.focus_next()
        else:
            self.focus_previous()

    def action_section(self, step: int) -> None:
        fields = list(self._fields.values())
        firsts = [fields[0]] + [b for a, b in pairwise(fields) if _section(a) != _section(b)]
        here = [_section(first) for first in firsts].index(_section(self._field)) if self._field in fields else -1
        firsts[(here + step) % len(firsts)].target.focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        field = self._field
        if field is not None and not field.error:
            self.action_move(1)

    def action_default(self) -> None:
        field = self._field
        if field is not None:
            field.text = field.default

    # Presets, files, the clipboard

    def action_preset(self) -> None:
        def chosen(names: tuple[str, ...] | None) -> None:
            if names:
                self._fill(Draft.of(preset(names[0]), self._now().name, f'preset "{names[0]}"'))

        options = [(name, ", ".join(_words(preset(name)) or ["all settings at their defaults"])) for name in PRESETS]
        self.app.push_screen(Pick(options, title="preset"), chosen)

    def action_load(self) -> None:
        def load(text: str) -> str:
            path = Path(text).expanduser()
            try:
                config, original = toml.read(path)
            except ConfigError as error:
                return str(error)
            draft = Draft.of(config, self._now().name, plain(path.name))
            draft.original, draft.path = original, text
            self._fill(draft)
            return ""

        self.app.push_screen(Ask("load settings from a TOML file", self._draft.path, load))

    def action_save(self) -> None:
        if self._config is None:
            self._refuse("Not saved")
            return
        config, asked = self._config, ""

        def save(text: str) -> str:
            nonlocal asked
            path = Path(text).expanduser()
            if path.exists() and asked != text:
                asked = text
                return f"{plain(path)} is there already; enter again overwrites it."
            try:
                written = toml.dumps(config, self._draft.original)
                path.write_text(written, encoding="utf-8")
            except (OSError, ValueError) as error:
                return f"{plain(path)} cannot be written: {plain(getattr(error, 'strerror', None) or error)}."
            self._draft.original, self._draft.path = written, text
            self._say(f"Saved to {plain(path)}.", "$text-success")
            return ""

        self.app.push_screen(Ask("save the settings as a TOML file", self._draft.path, save))

    def action_copy(self) -> None:
        if self._config is None:
            self._refuse("Not copied")
            return
        self.app.copy_to_clipboard(command_line(self._config, self._runs_dir, self._now().name))
        self._say("The command line is in the clipboard, if this terminal lets programs write to it.", "$text-success")

    def _refuse(self, what: str) -> None:
        key = next(key for key in self._fields if key in self._errors)
        self._fields[key].target.focus()
        count = len(self._errors)
        self._say(f"{what}: {count} setting{'s are' if count > 1 else ' is'} wrong.")

    # Starting

    def on_press_field_pressed(self) -> None:
        self.action_start()

    def action_start(self) -> None:
        draft = self._now()
        self._config, self._errors = checked(draft.texts)
        if self._config is None:
            self._mark()
            self._refuse("Not started")
            return
        request = Request(
            config=self._config,
            runs_dir=self._runs_dir,
            name=draft.name,
            original=draft.original,
            command=command_line(self._config, self._runs_dir, draft.name),
        )
        try:
            self._host.start(request)
        except RunError as error:
            self._say(str(error))
            return
        self._preparing, self._called_off = True, False
        self.refresh_bindings()
        self.tick()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        if action in ("cancel", "back"):
            return self._preparing == (action == "cancel")
        return not self._preparing or action in ("move", "section")

    def action_cancel(self) -> None:
        self._called_off = True
        self._host.cancel()

    def action_back(self) -> None:
        self.app.pop_screen()

    # What goes on meanwhile

    def tick(self) -> None:
        """Look how far preparing and the preview are. A test may call it instead of the clock."""
        if self._preparing:
            self._prepare()
        elif self._config is not None and self._config is self._settled:
            self._previewer.ask(self._config)
        self._settled = self._config
        latest = self._previewer.latest
        if latest is not None and latest is not self._preview:
            self._preview = latest
            self._show(latest)

    def _prepare(self) -> None:
        host = self._host
        if host.folder is not None:
            self._preparing = False
            self._draft.name = self._fields[NAME].text = ""
            self.post_message(OpenRun(host.folder, replace=True))
        elif host.busy:
            doing = "calling it off …" if self._called_off else _progress(host.doing, host.fraction)
            self._say(doing, "$accent")
        else:
            self._preparing = False
            self.refresh_bindings()
            self._fail(host.error)

    def _fail(self, error: TuitrainError | None) -> None:
        if error is None:
            self._say("Called off; nothing was written.", "$foreground-muted")
            return
        self._say(f"✗ {plain(error, 1000)}")
        if isinstance(error, ConfigError) and error.key in self._fields:
            self._refused = {error.key: plain(brief(error))}
            self._mark()
            self._fields[error.key].target.focus()

    def _show(self, preview: Preview) -> None:
        if preview.key in self._fields and preview.config == self._config:
            self._refused |= {preview.key: preview.problem}
            self._mark()
        wide = self.has_class("-wide")
        self.query_one("#facts", Static).update(facts(preview, together=not wide))
        layers = self.query_one("#layers", Static)
        layers.update(layer_table(preview, layers.size.height))
        self.query_one(Curve).show(preview)

    def on_resize(self) -> None:
        if self._preview is not None:
            self.call_later(self._show, self._preview)


def _words(config: Config) -> list[str]:
    """In what it differs from the defaults, in the words of the form."""
    words = []
    for key, value in changed(config).items():
        if isinstance(value, bool):
            words.append(label(key) if value else f"no {label(key)}")
        else:
            bare = settings()[key].choices and not settings()[key].many
            words.append(shown(value) if bare else f"{label(key)} {shown(value)}")
    return words


def _section(field: Field | None) -> str:
    return field.setting.section if field and field.setting else ""


def _progress(doing: str, fraction: float | None) -> str:
    if fraction is None:
        return f"{doing} …"
    done = round(BAR * min(max(fraction, 0.0), 1.0))
    return f"{doing}  {'━' * done}{'─' * (BAR - done)} {100 * fraction:.0f} %"


def facts(preview: Preview, together: bool) -> Content:
    """What the run will be, a line each, the most important first; `together`: in fewer and longer lines."""
    title, size, split, steps, place = "…", "…", "…", "…", "…"
    if preview.network is not None:
        optimizer = preview.config.optimizer.name
        most = "at most " if optimizer == "muon" else ""
        title = plain(preview.network.title)
        size = (
            f"{units.count(preview.network.parameters)} parameters · {most}{units.size(preview.bytes)} with {optimizer}"
        )
    elif preview.over:
        title = size = "-"
    if preview.splits is not None:
        found = preview.splits
        more = "more than " if found.partly else ""
        split = f"{more}{found.train:,} train · {found.validation:,} validation · {found.test:,} test"
        steps = f"{preview.steps_per_epoch:,} an epoch · {preview.steps:,} in all"
        place = plain(found.place)
    elif preview.problem:
        split = steps = place = "-"
    lines = [("network", title), ("size", size), ("images", split), ("steps", steps), ("data", place)]
    if preview.problem:
        lines[0 if preview.splits else 2] = ("✗", plain(preview.problem))
    if together:
        lines[:2] = [("network", f"{title} · {size}" if preview.network else lines[0][1])]
    return Content("\n").join(
        Content.assemble((name.ljust(9), "$text-error" if name == "✗" else "$foreground-muted"), text)
        for name, text in lines
    )


def layer_table(preview: Preview, height: int) -> Content:
    """The layers as they run, as many as there is room for."""
    if preview.problem:
        return Content(plain(preview.problem, 1000)).stylize("$text-error")
    if preview.network is None:
        return Content("" if preview.over else "loading torch to look at the network …").stylize("$foreground-disabled")
    rows = [
        (
            plain(layer.kind, 24),
            "×".join(map(str, layer.output)) or "-",
            f"{layer.parameters:,}" if layer.parameters else "",
        )
        for layer in preview.network.layers
    ]
    head = ("layer", "output", "parameters")
    first, second, third = (max(len(row[column]) for row in (head, *rows)) for column in range(3))
    lines = [f"{a:<{first}}  {b:>{second}}  {c:>{third}}" for a, b, c in (head, *rows)]
    if len(lines) > max(height, 2):
        lines[max(height, 2) - 1 :] = [f"… {len(lines) - max(height, 2) + 1} more"]
    return Content.assemble((lines[0], "$foreground-muted"), "\n", "\n".join(lines[1:]))
