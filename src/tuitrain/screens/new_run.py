"""New run: is this the run I mean?"""

from pathlib import Path
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Input, Static

from tuitrain.config import preferences
from tuitrain.config.presets import PRESETS, preset
from tuitrain.config.schema import Config
from tuitrain.config.settings import settings
from tuitrain.config.sweeps import toml
from tuitrain.errors import ConfigError
from tuitrain.hosts import background
from tuitrain.hosts.launch import RunSpec
from tuitrain.hosts.preview.preview import Preview
from tuitrain.hosts.preview.process import PreviewProcess
from tuitrain.hosts.sweeps.background import start_sweep_in_background
from tuitrain.hosts.thread import ThreadHost
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.records import RunInfo
from tuitrain.runs.sweeps.folder import SweepFolder, create
from tuitrain.runs.writer import is_default_name
from tuitrain.text import plain
from tuitrain.widgets.forms.draft import Draft, FormResult, brief, command_line, parse_form, saved_drafts
from tuitrain.widgets.forms.fields import Field
from tuitrain.widgets.forms.form import NAME, PLACE, Form
from tuitrain.widgets.forms.labels import LONGEST, label, words
from tuitrain.widgets.forms.pick_list import PickList
from tuitrain.widgets.forms.preview import PreviewPanel
from tuitrain.widgets.forms.start_line import StartLine
from tuitrain.widgets.forms.toml_files import ask_load, ask_save
from tuitrain.widgets.messages import AskChoice, OpenRun, OpenSweep
from tuitrain.widgets.panels.fixed_text import FixedText
from tuitrain.widgets.terminal.footer import FittingFooter

TICK = 0.15
BUSY = (
    "A run is training in this window; this one can have a process of its own: choose it under 'runs in'. "
    "Or wait for the other's end."
)


class NewRunScreen(Screen[None]):
    """Every setting in a field, and beside them what they come to."""

    CSS_PATH = "new_run.tcss"
    TITLE = "New run"
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-wide")]  # noqa: RUF012
    VERTICAL_BREAKPOINTS = [(0, "-short"), (24, "-tall")]  # noqa: RUF012
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+r", "start", "start", tooltip="Start the run", id="new.start"),
        Binding("escape", "cancel", "cancel", tooltip="Call the start off", id="new.cancel"),
        Binding("escape", "back", "back", tooltip="Back to the runs; the form is kept", id="new.back"),
        Binding("ctrl+f", "find", "find", tooltip="Go to a setting, found by typing", id="new.find"),
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

    def __init__(
        self, host: ThreadHost, runs_dir: Path, config: Config | None = None, info: RunInfo | None = None
    ) -> None:
        super().__init__()
        self._host, self._runs_dir = host, runs_dir
        self._given = _cloned(config, info) if config else None
        self.plan = FormResult(None, {}, {})
        # What preparing or the preview said of a setting, until something is changed.
        self._refused: dict[str, str] = {}
        self._settled: Config | None = None
        self.preview: Preview | None = None
        self._previewer = PreviewProcess()
        self.line = StartLine(host)
        self._due = False

    def compose(self) -> ComposeResult:
        self._draft = self._given or saved_drafts.get(self.app) or Draft.of(Config())
        self._opened = self._draft.texts, self._draft.name
        self.form = Form(self._draft, own_process=preferences.load().own_process)
        yield FixedText(id="head")
        with Horizontal(id="body"):
            yield self.form
            yield PreviewPanel(id="preview")
        yield FixedText(id="help")
        yield Static(id="command")
        yield self.line
        yield FittingFooter()

    def on_mount(self) -> None:
        self._check()
        self._say("")
        self.set_interval(TICK, self.tick)
        self.form.focus_key("data.dataset")

    def on_unmount(self) -> None:
        self._previewer.close()
        draft = self._now()
        if (draft.texts, draft.name) != self._opened:
            saved_drafts[self.app] = draft

    def _now(self) -> Draft:
        """The draft as the fields have it."""
        self._draft.name, self._draft.texts = self.form.name_text, self.form.texts
        return self._draft

    def _fill(self, draft: Draft) -> None:
        self._draft = draft
        self.form.fill(draft)
        self._changed()

    def action_find(self) -> None:
        options = [(key, label(key), f"{key}: {item.help}") for key, item in settings().items()]
        self.post_message(AskChoice("Go to", options, lambda found: self.form.focus_key(found[0]) if found else None))

    # What is right and what is wrong

    def on_field_changed(self, event: Field.Changed) -> None:
        if event.field.key == PLACE:
            preferences.update(own_process=self.form.own_process)
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
        self.plan = parse_form(draft.texts)
        self._mark()
        command = self.query_one("#command", Static)
        command.set_class(self.plan.config is None, "-stale")
        if self.plan.config is not None:
            many = f"This makes {self.plan.runs:,} runs. " if self.plan.values else ""
            command.update(Content.assemble((many, "$accent"), f"$ {plain(self._command(), LONGEST)}"), layout=False)
        source = f" · from {plain(draft.source)}" if draft.source else ""
        differing, wrong = self.form.changed, len(self.plan.errors)
        count = f"{differing} setting{'s' * (differing > 1)} changed" if differing else "all settings at their defaults"
        self.query_one("#head", FixedText).show(
            Content.assemble(
                ("New run", "bold $accent"),
                (f"{source} · {count}", "$foreground-muted"),
                (f" · ✗ {wrong} wrong" if wrong else "", "$text-error"),
            )
        )

    def _command(self) -> str:
        return command_line(self.plan, self._runs_dir, self.form.name_text, detach=self.form.own_process)

    def _mark(self) -> None:
        counts = {key: len(values) for key, values in self.plan.values.items()}
        self.form.mark(self._refused | self.plan.errors, counts)
        self._help()

    # The lines at the bottom

    def on_descendant_focus(self) -> None:
        self._help()

    def _help(self) -> None:
        self.query_one("#help", FixedText).show(self.form.help())

    def _say(self, words: str, style: str = "$text-error") -> None:
        self.line.say(words, style)
        self._make_room()

    def _make_room(self) -> None:
        self.query_one("#command").display = not self.line.display

    # Moving

    def action_move(self, step: int) -> None:
        if step > 0:
            self.focus_next()
        else:
            self.focus_previous()

    def action_section(self, step: int) -> None:
        self.form.section(step)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        field = self.form.current
        if field is not None and not field.error:
            self.action_move(1)

    def action_default(self) -> None:
        field = self.form.current
        if field is not None:
            field.text = field.default

    # Presets, files, the clipboard

    def action_preset(self) -> None:
        def chosen(names: tuple[str, ...] | None) -> None:
            if names:
                self._fill(Draft.of(preset(names[0]), self._now().name, f'preset "{names[0]}"'))

        options = [(name, ", ".join(words(preset(name)) or ["all settings at their defaults"])) for name in PRESETS]
        self.app.push_screen(PickList(options, title="preset"), chosen)

    def action_load(self) -> None:
        self.post_message(ask_load(self._now(), self._fill))

    def action_save(self) -> None:
        if self.plan.config is None:
            self._refuse("Not saved")
            return

        def saved(path: Path) -> None:
            start = f" Start it: tuitrain sweep -c {plain(path)}" if self.plan.values else ""
            self._say(f"Saved to {plain(path)}.{start}", "$text-success")

        self.post_message(ask_save(self.plan, self._now(), saved))

    def action_copy(self) -> None:
        if self.plan.config is None:
            self._refuse("Not copied")
            return
        self.app.copy_to_clipboard(self._command())
        self._say("The command line is in the clipboard, if this terminal lets programs write to it.", "$text-success")

    def _refuse(self, what: str) -> None:
        self.form.focus_key(next(key for key in self.form.fields if key in self.plan.errors))
        count = len(self.plan.errors)
        self._say(f"{what}: {count} setting{'s are' if count > 1 else ' is'} wrong.")

    # Starting

    def on_press_field_pressed(self) -> None:
        if not self.line.busy:
            self.action_start()

    def action_start(self) -> None:
        self._check()
        if self.plan.config is None:
            self._refuse("Not started")
            return
        if self.plan.values:
            text = toml.dumps(self.plan.sweep(self._draft.name))
            self.line.elsewhere(lambda: _start_sweep(self._runs_dir, text))
        else:
            self._start(
                RunSpec(
                    config=self.plan.config,
                    runs_dir=self._runs_dir,
                    name=self._draft.name,
                    original=self._draft.original,
                    command=self._command(),
                )
            )
        self._make_room()
        self._keys_changed()

    def _keys_changed(self) -> None:
        self.form.fix(self.line.busy)
        self.refresh_bindings()

    def _start(self, spec: RunSpec) -> None:
        if self.form.own_process:
            self.line.elsewhere(lambda: background.start_in_background(spec))
        elif self._host.busy:
            self.form.focus_key(PLACE)
            self._say(BUSY)
        else:
            self.line.here(spec)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        if action in ("cancel", "back"):
            return self.line.preparing == (action == "cancel")
        return not self.line.busy or action in ("move", "section")

    def action_cancel(self) -> None:
        self.line.cancel()

    def action_back(self) -> None:
        self.app.pop_screen()

    # What goes on meanwhile

    def tick(self) -> None:
        """Look how far starting and the preview are. A test may call it instead of the clock."""
        if not self.is_current:
            return
        config = self.plan.config
        if self.line.busy:
            # A list or a question may be open above the form; the run's own screen comes once that is answered.
            if self.app.screen is self:
                self.line.tick()
                self._make_room()
        elif config is not None and config is self._settled:
            self._previewer.request(config)
        self._settled = config
        latest = self._previewer.latest
        if latest is not None and latest is not self.preview:
            self.preview = latest
            self._show(latest)

    def on_start_line_begun(self, event: StartLine.Begun) -> None:
        self.form.fields[NAME].text = ""
        if isinstance(event.folder, RunFolder):
            self.post_message(OpenRun(event.folder, replace=True))
        else:
            self.app.post_message(OpenSweep(event.folder))
            self.app.pop_screen()

    def on_start_line_failed(self, event: StartLine.Failed) -> None:
        self._keys_changed()
        error = event.error
        if isinstance(error, ConfigError) and error.key in self.form.fields:
            self._refused = {error.key: plain(brief(error))}
            self._mark()
            self.form.focus_key(error.key)

    def _show(self, preview: Preview) -> None:
        mine = preview.config == self.plan.config
        if mine and preview.key in self.form.fields:
            self._refused |= {preview.key: preview.problem}
            self._mark()
        runs = self.plan.runs if mine else 1
        self.query_one(PreviewPanel).show(preview, runs, self.plan.first, together=not self.has_class("-wide"))

    def on_resize(self) -> None:
        if self.preview is not None:
            self.call_later(self._show, self.preview)


def _start_sweep(runs_dir: Path, text: str) -> SweepFolder:
    folder = create(runs_dir, text)
    start_sweep_in_background(folder)
    return folder


def _cloned(config: Config, info: RunInfo | None) -> Draft:
    """The name of a sweep's trial tells its settings, one of which is to be changed, and so does a default name."""
    name = plain(info.name) if info else ""
    told = info and (info.parent or is_default_name(info.name, config))
    return Draft.of(config, "" if told else name, f"the settings of {name or 'a run'}")
