"""Validate the form of a new run; fill it from presets and files; save and copy it."""

from pathlib import Path

from textual.content import Content
from textual.screen import Screen
from textual.widgets import Static

from tuitrain.config.fine_tuning import FINE_TUNING
from tuitrain.config.presets import PRESETS, preset
from tuitrain.config.schema import Config
from tuitrain.hosts.preview.preview import Preview
from tuitrain.hosts.thread import ThreadHost
from tuitrain.text import counted, plain
from tuitrain.widgets.forms.draft import Draft, FormResult, command_line, parse_form
from tuitrain.widgets.forms.fields import Field
from tuitrain.widgets.forms.form import Form
from tuitrain.widgets.forms.labels import MAX_TEXT, describe_changes
from tuitrain.widgets.forms.pick_list import PickList
from tuitrain.widgets.forms.start_line import StartLine
from tuitrain.widgets.forms.toml_files import ask_load, ask_save
from tuitrain.widgets.panels.fixed_text import FixedText
from tuitrain.widgets.terminal.notifications import clipboard_condition

# What a preset for pretrained networks leaves to the user of a form that had no images of its own.
OWN_IMAGES = "Type the folder of your images here, then choose the network. Used again, the preset fits both."


class NewRunForm(Screen[None]):
    """Validate, fill, save and copy the form; `result` is the run or sweep that it describes."""

    form: Form
    preview: Preview | None = None
    _draft: Draft
    # Whether the draft is one that the user left on an earlier form.
    _draft_kept = False

    def __init__(self, host: ThreadHost, runs_dir: Path) -> None:
        super().__init__()
        self._host, self._runs_dir = host, runs_dir
        self.result = FormResult(None, {}, {})
        self.line = StartLine(host)
        # Errors found by the preview or the start, valid until the next change.
        self._late_errors: dict[str, str] = {}
        self._validation_due = False
        # The label of the start button, and whether a field is changed, at the last update of the footer.
        self._labelled = ("▸ Start run", False)

    def current_draft(self) -> Draft:
        """Return the draft with the present texts of the fields."""
        self._draft.name, self._draft.texts = self.form.name_text, self.form.texts
        return self._draft

    def fill(self, draft: Draft) -> None:
        self._draft = draft
        # One validation for all fields.
        with self.prevent(Field.Changed):
            self.form.fill(draft)
        self._schedule_validation()

    def _schedule_validation(self) -> None:
        """Validate once for all changes that arrive together."""
        self._late_errors = {}
        if not self._validation_due:
            self._validation_due = True
            self.show_message("")
            self.call_later(self._validate)

    def _validate(self) -> None:
        self._validation_due = False
        draft = self.current_draft()
        self.result = parse_form(draft.texts)
        self._mark_fields()
        command = self.query_one("#command", Static)
        command.set_class(self.result.config is None, "-stale")
        if self.result.config is None:
            command.update("The command line appears once all fields are valid.", layout=False)
        else:
            count = f"This makes {counted(self.result.runs, 'run')}. " if self.result.is_sweep else ""
            command.update(Content.assemble((count, "$accent"), f"$ {plain(self.command(), MAX_TEXT)}"), layout=False)
        changed = self.form.changed
        self.query_one("#head", FixedText).show(self._head(draft, changed))
        start, runs = self.form.start, self.result.runs
        text = f"▸ Start {counted(runs, 'run')}" if self.result.is_sweep else "▸ Start run"
        state = (text, bool(changed))
        if state != self._labelled:
            self._labelled, start.label = state, text
            start.refresh()
            self.refresh_bindings()

    def _head(self, draft: Draft, changed: int) -> Content:
        source = f" · from {plain(draft.source)}" if draft.source else " · your draft" if self._draft_kept else ""
        invalid = len(self.result.errors)
        count = f"{counted(changed, 'setting')} changed" if changed else "all settings at their defaults"
        return Content.assemble(
            ("New run", "bold $accent"),
            (f"{source} · {count}", "$foreground-muted"),
            (f" · ✗ {invalid} invalid, ^r goes there" if invalid else "", "$text-error"),
        )

    def _mark_fields(self) -> None:
        counts = {key: len(values) for key, values in self.result.values.items()}
        self.form.mark(self._late_errors | self.result.errors, counts, is_sweep=self.result.is_sweep)
        self._show_help()

    def _show_help(self) -> None:
        self.query_one("#help", FixedText).show(self.form.help())

    def show_message(self, text: str, style: str = "$text-error") -> None:
        self.line.show(text, style)
        self.make_room()

    def make_room(self) -> None:
        """Hide the command line while a message is shown."""
        self.query_one("#command").display = not self.line.display

    def command(self) -> str:
        form = self.form
        return command_line(self.result, self._runs_dir, form.name_text, form.runs_in)

    def refuse(self, action: str) -> None:
        """Focus the first invalid field, and say why `action` is not possible."""
        self.form.focus_key(next(key for key in self.form.fields if key in self.result.errors))
        count = len(self.result.errors)
        self.show_message(f"{action}: {count} setting{'s are' if count > 1 else ' is'} invalid.")

    def action_preset(self) -> None:
        current = self.result.config

        def chosen(names: tuple[str, ...] | None) -> None:
            if names and names[0] in FINE_TUNING and current is None:
                # Such a preset keeps the data, which an invalid form does not say.
                self.refuse("No preset")
            elif names:
                config = preset(names[0], current, self._training_images(current))
                self.fill(Draft.of(config, self.current_draft().name, f'preset "{names[0]}"'))
                if names[0] in FINE_TUNING and current and current.data.dataset == "digits":
                    self.form.focus_key("data.dir")
                    self.call_later(self.show_message, OWN_IMAGES, "$foreground-muted")

        options = [(name, name, ", ".join(describe_changes(preset(name)) or ["all defaults"])) for name in PRESETS]
        options += [(name, name, help) for name, help in FINE_TUNING.items()]
        self.app.push_screen(PickList(options, title="preset"), chosen)

    def _training_images(self, config: Config | None) -> int | None:
        """Return the number of training images of `config`; None while the preview does not show its data."""
        preview = self.preview
        if config is None or preview is None or preview.splits is None or preview.config.data != config.data:
            return None
        return preview.splits.train

    def action_load(self) -> None:
        self.post_message(ask_load(self.current_draft(), self.fill))

    def action_save(self) -> None:
        if self.result.config is None:
            self.refuse("Not saved")
            return

        def saved(path: Path) -> None:
            hint = f" Start it with: tuitrain sweep -c {plain(path)}" if self.result.values else ""
            self.show_message(f"Saved {plain(path)}.{hint}", "$text-success")

        self.post_message(ask_save(self.result, self.current_draft(), saved))

    def action_copy(self) -> None:
        if self.result.config is None:
            self.refuse("Not copied")
            return
        self.app.copy_to_clipboard(self.command())
        self.show_message(f"Copied the command line{clipboard_condition()}", "$text-success")
