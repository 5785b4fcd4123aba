"""The form's actions on presets, files and the clipboard."""

from pathlib import Path

from textual.screen import Screen

from tuitrain.config.presets import PRESETS, preset
from tuitrain.text import plain
from tuitrain.widgets.forms.draft import Draft, FormResult, command_line
from tuitrain.widgets.forms.form import Form
from tuitrain.widgets.forms.labels import describe_changes
from tuitrain.widgets.forms.pick_list import PickList
from tuitrain.widgets.forms.start_line import StartLine
from tuitrain.widgets.forms.toml_files import ask_load, ask_save


class NewRunFiles(Screen[None]):
    """`result` is what the fields of `form` mean; `line` shows messages."""

    form: Form
    result: FormResult
    line: StartLine
    _runs_dir: Path

    def current_draft(self) -> Draft:
        raise NotImplementedError

    def fill(self, draft: Draft) -> None:
        raise NotImplementedError

    def show_message(self, text: str, style: str = "$text-error") -> None:
        self.line.show(text, style)
        self.make_room()

    def make_room(self) -> None:
        """Hide the command line while a message is shown."""
        self.query_one("#command").display = not self.line.display

    def command(self) -> str:
        return command_line(self.result, self._runs_dir, self.form.name_text, detach=self.form.in_background)

    def refuse(self, action: str) -> None:
        """Focus the first invalid field, and say why `action` is not possible."""
        self.form.focus_key(next(key for key in self.form.fields if key in self.result.errors))
        count = len(self.result.errors)
        self.show_message(f"{action}: {count} setting{'s are' if count > 1 else ' is'} invalid.")

    def action_preset(self) -> None:
        def chosen(names: tuple[str, ...] | None) -> None:
            if names:
                self.fill(Draft.of(preset(names[0]), self.current_draft().name, f'preset "{names[0]}"'))

        options = [(name, name, ", ".join(describe_changes(preset(name)) or ["all defaults"])) for name in PRESETS]
        self.app.push_screen(PickList(options, title="preset"), chosen)

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
        self.show_message("Copied the command line, if your terminal allows it.", "$text-success")
