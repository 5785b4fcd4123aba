"""Set up a new run: a form of every setting, and a preview of the run."""

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.widgets import Input, Static

from tuitrain.config import preferences
from tuitrain.config.code import FILE_KEYS
from tuitrain.config.schema import Config
from tuitrain.config.settings import settings
from tuitrain.config.sweeps.sweep import Values
from tuitrain.hosts.preview.lr_range import RangeRequest
from tuitrain.hosts.preview.preview import Preview, still_known
from tuitrain.hosts.preview.process import PreviewProcess
from tuitrain.hosts.preview.sheet import SheetProcess
from tuitrain.hosts.thread import ThreadHost
from tuitrain.hosts.trust import config_code
from tuitrain.runs.records import RunInfo
from tuitrain.screens.new_run.lr_finder import LRFinder
from tuitrain.screens.new_run.sheet import AugmentationSheet
from tuitrain.screens.new_run.start import NewRunStart
from tuitrain.text import counted
from tuitrain.widgets.forms.draft import Draft, saved_drafts
from tuitrain.widgets.forms.fields import Field
from tuitrain.widgets.forms.form import BACKGROUND, NAME, NAME_HELP, QUEUE, RUNS_IN, SLURM, Form
from tuitrain.widgets.forms.labels import label
from tuitrain.widgets.forms.preview import PreviewPanel
from tuitrain.widgets.messages import AskChoice
from tuitrain.widgets.panels.fixed_text import FixedText
from tuitrain.widgets.terminal.footer import FittingFooter, KeyLabels

TICK = 0.15


class NewRunScreen(NewRunStart, KeyLabels):
    """Show the form, a preview of the run and the equivalent command line."""

    CSS_PATH = "new_run.tcss"
    TITLE = "New run"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+r", "start", "start", tooltip="Start the run", id="new.start"),
        Binding("escape", "cancel", "cancel", tooltip="Cancel the start", id="new.cancel"),
        Binding("escape", "back", "back", tooltip="Back to the runs (the draft is kept)", id="new.back"),
        Binding("ctrl+f", "find", "find", tooltip="Go to a setting, found by typing", id="new.find"),
        Binding("ctrl+t", "preset", "preset", tooltip="Fill the form from a preset", id="new.preset"),
        Binding("ctrl+o", "load", "load", tooltip="Fill the form from a TOML file", id="new.load"),
        Binding("ctrl+s", "save", "save", tooltip="Save the settings as a TOML file", id="new.save"),
        Binding(
            "ctrl+x",
            "sheet",
            "images",
            tooltip="Show examples of augmented training images",
            id="new.sheet",
            priority=True,
        ),
        # These keys cut and delete in an input, so they need priority.
        Binding(
            "ctrl+k",
            "find_lr",
            "find lr",
            tooltip="Find a learning rate by a range test",
            id="new.find_lr",
            priority=True,
        ),
        Binding("ctrl+y", "copy", "copy", tooltip="Copy the run as a command line", id="new.copy"),
        Binding("ctrl+n", "afresh", "reset", tooltip="Reset every field", id="new.afresh"),
        Binding("ctrl+g", "default", tooltip="Reset this field to its default", show=False, id="new.default"),
        Binding("tab,down", "app.focus_next", tooltip="Next field", show=False),
        Binding("shift+tab,up", "app.focus_previous", tooltip="Previous field", show=False),
        Binding("pagedown", "section(1)", tooltip="Next section", show=False),
        Binding("pageup", "section(-1)", tooltip="Previous section", show=False),
    ]

    def __init__(
        self,
        host: ThreadHost,
        runs_dir: Path,
        config: Config | None = None,
        info: RunInfo | None = None,
        texts: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(host, runs_dir)
        self._initial = Draft.of_run(config, info) if config else None
        if self._initial:
            self._initial.texts |= texts or {}
        self._previewed: Config | None = None
        # The number of runs, and the values of the first, that the preview was last shown for.
        self._shown_runs: tuple[int, Values] = (1, {})
        self._preview_process = PreviewProcess(runs_dir)
        self._sheet_process = SheetProcess()

    def compose(self) -> ComposeResult:
        self._set_size_classes()
        kept = None if self._initial else saved_drafts.get(self.app)
        self._draft = self._initial or kept or Draft.of(Config())
        self._draft_kept = kept is not None
        self._opened_with = self._draft.texts, self._draft.name
        self._prefers_background = preferences.load().own_process
        self.form = Form(self._draft, in_background=self._prefers_background)
        yield FixedText(id="head")
        with Horizontal(id="body"):
            yield self.form
            yield PreviewPanel(id="preview")
        yield FixedText(id="help")
        yield Static(id="command")
        yield self.line
        yield FittingFooter()

    def on_mount(self) -> None:
        self._validate()
        self.show_message("")
        self.set_interval(TICK, self.tick)
        self.form.focus_key("data.dataset")

    def on_unmount(self) -> None:
        self._preview_process.close()
        self._sheet_process.close()
        draft = self.current_draft()
        if self.started:
            saved_drafts.pop(self.app, None)
        elif (draft.texts, draft.name) != self._opened_with:
            saved_drafts[self.app] = draft

    def action_find(self) -> None:
        options = [(NAME, "run name", NAME_HELP[0]), (RUNS_IN, "runs in", "Where the run trains")]
        options += [(key, label(key), f"{key}: {item.help}") for key, item in settings().items()]
        self.post_message(AskChoice("Go to", options, lambda found: self.form.focus_key(found[0])))

    def action_sheet(self) -> None:
        config = self.result.config
        if config is None:
            self.refuse("No images")
        else:
            self.app.push_screen(AugmentationSheet(config, self._sheet_process, may_run=self._may_run(config)))

    def action_find_lr(self) -> None:
        config = self.result.config
        if config is None:
            self.refuse("No range test")
            return

        def found(rate: float | None) -> None:
            if rate is not None:
                self.form.fields["optimizer.lr"].text = f"{rate:.3g}"
                self.form.focus_key("optimizer.lr")

        request = RangeRequest(config, str(self._runs_dir), may_run=self._may_run(config))
        self.app.push_screen(LRFinder(request), found)

    def on_field_changed(self, event: Field.Changed) -> None:
        if event.field.key == RUNS_IN:
            # The queue and Slurm are for this run; the preference stays as it was.
            place = self.form.runs_in
            preferences.update(own_process=self._prefers_background if place in (QUEUE, SLURM) else place == BACKGROUND)
        self._schedule_validation()

    def on_descendant_focus(self) -> None:
        self._show_help()

    # Moving between fields

    def action_section(self, step: int) -> None:
        self.form.focus_section(step)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        field = self.form.current
        if field is not None and not field.error:
            self.focus_next()

    def action_default(self) -> None:
        field = self.form.current
        if field is not None:
            field.text = field.default

    def action_afresh(self) -> None:
        self._draft_kept = False
        self.fill(Draft.of(Config()))
        self.show_message("All fields are at their defaults.", "$foreground-muted")

    def key_label(self, action: str, label: str) -> str:
        return f"start {counted(self.result.runs, 'run')}" if action == "start" and self.result.is_sweep else label

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        if action == "afresh":
            return self.is_mounted and not self.line.busy and bool(self.form.changed or self.form.name_text)
        if action in ("cancel", "back"):
            return self.line.preparing == (action == "cancel")
        return not self.line.busy or action == "section"

    def action_cancel(self) -> None:
        self.line.cancel()

    def action_back(self) -> None:
        self.app.pop_screen()

    def _may_run(self, config: Config) -> bool:
        """Return whether the user has typed or allowed the files that a preview would run."""
        return not any(code.key in FILE_KEYS for code in config_code(config) if code in self._draft.unknown)

    # Progress of the start and the preview

    def tick(self) -> None:
        if not self.is_current:
            return
        config = self.result.first_config
        if self.line.busy:
            # While a list or question is open, its answer comes first; then the live screen opens.
            if self.app.screen is self:
                self.line.tick()
                self.make_room()
        elif config is not None and config is self._previewed:
            # Unchanged since the last tick: typing has paused.
            self._preview_process.request(config, may_run=self._may_run(config))
        self._previewed = config
        self._update_preview(config)

    def _update_preview(self, config: Config | None) -> None:
        """Show the preview of `config`, or until it arrives what is known of it. Keep the last one of an invalid
        form."""
        preview = self._preview_process.latest
        if config is not None and (preview is None or preview.config != config):
            preview = self.preview and still_known(self.preview, config)
        # More values for a setting may leave the first run as it is.
        runs = (self.result.runs, self.result.first)
        if preview is not None and (preview is not self.preview or runs != self._shown_runs):
            self.preview, self._shown_runs = preview, runs
            self._show_preview(preview)

    def _show_preview(self, preview: Preview) -> None:
        current = preview.config == self.result.first_config
        if current and preview.key in self.form.fields:
            self._late_errors |= {preview.key: preview.problem}
            self._mark_fields()
        runs = self.result.runs if current else 1
        compact = not self.has_class("wide")
        self.query_one(PreviewPanel).show(preview, runs, self.result.first, compact=compact)

    def _set_size_classes(self) -> None:
        """Select the layout. Breakpoints of Textual would draw a frame of the narrow layout first."""
        self.set_class(self.app.size.width >= 100, "wide")
        self.set_class(self.app.size.height < 24, "short")

    def on_resize(self) -> None:
        self._set_size_classes()
        if self.preview is not None:
            self.call_later(self._show_preview, self.preview)
