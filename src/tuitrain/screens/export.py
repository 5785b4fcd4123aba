"""Export what a screen shows to a file or to the clipboard."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from textual.binding import Binding

from tuitrain.analysis.text_tables import Lines, csv_text, markdown
from tuitrain.errors import TuitrainError
from tuitrain.report.write import check_destination, default_path, write_report
from tuitrain.runs import rows_csv
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.follower import Follower
from tuitrain.text import plain, working_folder
from tuitrain.widgets.forms.toml_files import ask_path
from tuitrain.widgets.messages import AskChoice
from tuitrain.widgets.terminal.notifications import clipboard_condition
from tuitrain.widgets.terminal.refresh import PollingScreen
from tuitrain.widgets.threads import in_thread

EXPORT = Binding("E", "export", "export", tooltip="Export what is shown, to a file or the clipboard", id="export")
COPY, REPORT = "copy", "report"


class Export(NamedTuple):
    """A format to export in: `text` returns the content of the file, and `file` is its suggested name."""

    name: str
    help: str
    file: str
    text: Callable[[], str]


def table_exports(what: str, stem: str, lines: Callable[[], Lines]) -> list[Export]:
    """Return the exports of a table; `lines` returns its cells line by line, the titles first."""
    return [
        Export("markdown", f"{what}, for a report", f"{stem}.md", lambda: markdown(lines())),
        Export("csv", f"{what}, for pandas and spreadsheets", f"{stem}.csv", lambda: csv_text(lines())),
    ]


def metrics_export(run: Follower) -> Export:
    return Export("csv", "all metrics, for pandas", "metrics.csv", lambda: rows_csv.text(run))


class ExportScreen(PollingScreen):
    """A polling screen that exports its content and shows errors as notifications."""

    def exports(self) -> Sequence[Export]:
        """Return the ways to export what is shown; the first one can also be copied to the clipboard."""
        raise NotImplementedError

    def reported(self) -> Sequence[RunFolder]:
        """Return the runs whose report can be written here, the baseline first; empty if there is none."""
        return ()

    def show_error(self, error: TuitrainError) -> None:
        self.notify(str(error), severity="error", markup=False)

    def copy(self, text: str, what: str) -> None:
        """Send the text to the clipboard of the terminal, and say so."""
        self.app.copy_to_clipboard(text)
        self.notify(f"Copied {what}{clipboard_condition()}", timeout=5, markup=False)

    def picture_export(self, stem: str) -> Export:
        """Return the export of the whole screen as a picture."""
        return Export("svg", "the screen as a picture", f"{stem}.svg", self.app.export_screenshot)

    def action_export(self) -> None:
        self.post_message(AskChoice("Export as", self.export_options(), self.export_as))

    def export_options(self) -> list[tuple[str, str, str]]:
        """Return an option of `AskChoice` for each export, one to copy the first, and one for the report."""
        first, *others = [(export.name, export.name, export.help) for export in self.exports()]
        options = [first, (COPY, COPY, f"{first[0]} to the clipboard, if your terminal allows it"), *others]
        what = "a comparison of these runs" if len(self.reported()) > 1 else "all about this run"
        return options + [(REPORT, REPORT, f"{what}, to share or print: HTML, or .md")] * bool(self.reported())

    def export_as(self, chosen: tuple[str, ...]) -> None:
        exports = {export.name: export for export in self.exports()}
        if chosen == (COPY,):
            first = next(iter(exports.values()))
            self.copy(first.text(), f"the {first.name}")
        elif chosen == (REPORT,):
            self._ask_report(self.reported())
        else:
            export = exports[chosen[0]]
            title = f"Save as, relative to {working_folder()}"
            self.post_message(ask_path(title, export.file, lambda path: self._save(export, path)))

    def _ask_report(self, folders: Sequence[RunFolder]) -> None:
        def write(path: Path) -> None:
            check_destination(path, force=True)
            self.notify(f"Writing {plain(path)} …", timeout=3, markup=False)
            self._write_report(folders, path)

        title = f"Save as FILE.html or FILE.md, relative to {working_folder()}"
        self.post_message(ask_path(title, str(default_path(folders)), write))

    @in_thread
    def _write_report(self, folders: Sequence[RunFolder], path: Path) -> None:
        write_report(folders, path, force=True)
        self.notify(f"Saved {plain(path)}", timeout=5, markup=False)

    def _save(self, export: Export, path: Path) -> None:
        path.write_text(export.text(), encoding="utf-8")
        self.notify(f"Saved {plain(path)}", timeout=3, markup=False)
