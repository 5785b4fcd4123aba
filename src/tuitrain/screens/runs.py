"""Runs: what do I have, and what is going on?"""

from collections import Counter
from pathlib import Path
from typing import ClassVar

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import Footer, Static

from tuitrain.config.values import changed, to_text
from tuitrain.errors import RunError, TuitrainError
from tuitrain.hosts.process import spawn
from tuitrain.runs.index import RunIndex
from tuitrain.runs.listing import Entry
from tuitrain.text import plain
from tuitrain.widgets import terminal
from tuitrain.widgets.navigation import NewRun, OpenRun, RunEnded
from tuitrain.widgets.run_table import RunTable
from tuitrain.widgets.ticking import TickingScreen

RESUMABLE = ("interrupted", "stopped", "failed")
EMPTY = """\
No runs yet.

Press [b $accent]n[/] to set one up: the digits that are built in need no network,
and train in a few seconds.

Runs are kept in $folder"""


class Runs(TickingScreen):
    """The home screen: a table of the folder's runs, newest first."""

    CSS_PATH = "runs.tcss"
    TITLE = "Runs"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n", "new", "new", tooltip="Set up a new run", id="runs.new"),
        Binding("r", "resume", "resume", tooltip="Train on what was interrupted or stopped", id="runs.resume"),
        Binding("y", "clone", "clone", tooltip="A new run with the settings of this one", id="runs.clone"),
    ]

    def __init__(self, runs_dir: Path) -> None:
        super().__init__()
        self._index = RunIndex(runs_dir)
        self._entries: list[Entry] = []

    def compose(self) -> ComposeResult:
        yield Static(id="head")
        yield RunTable()
        yield Static(id="empty")
        yield Static(id="detail")
        yield Footer(show_command_palette=False, compact=True)

    def tick(self) -> None:
        before = {entry.folder.id for entry in self._entries if entry.status in ("running", "paused")}
        try:
            self._entries = self._index.refresh()
            about = Content.from_markup(EMPTY, folder=_home(self._index.runs_dir))
        except RunError as error:
            self._entries, about = [], Content(str(error))
        for entry in self._entries:
            if entry.folder.id in before and not entry.state.active:
                self.post_message(RunEnded(entry.folder, entry.info.name, entry.state))
        terminal.title(self.app, "tuitrain")
        table, empty = self.query_one(RunTable), self.query_one("#empty", Static)
        appeared = bool(self._entries) and not table.display
        table.display, empty.display = bool(self._entries), not self._entries
        empty.update(about)
        table.show(self._entries)
        if appeared or (self._entries and self.focused is None):
            table.focus()
        self.query_one("#head", Static).update(self._head())
        self._detail()
        self.refresh_bindings()

    def _head(self) -> Content:
        counts = Counter(entry.status for entry in self._entries)
        said = [f"{len(self._entries)} run{'s' * (len(self._entries) != 1)}"]
        said += [f"{counts[status]} {status}" for status in ("running", "paused", "interrupted") if counts[status]]
        about = f" · {', '.join(said)} · {_home(self._index.runs_dir)}"
        return Content.assemble(("tuitrain", "bold $accent"), (about, "$foreground 60%"))

    def _detail(self) -> None:
        entry = self.query_one(RunTable).selected
        self.query_one("#detail", Static).update(Content(_about(entry)) if entry else "")

    def on_data_table_row_highlighted(self) -> None:
        self._detail()
        self.refresh_bindings()

    def on_data_table_row_selected(self) -> None:
        entry = self.query_one(RunTable).selected
        if entry is not None:
            self.post_message(OpenRun(entry.folder))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        if action not in ("clone", "resume"):
            return True
        entry = self.query_one(RunTable).selected if self._entries else None
        if entry is None:
            return False
        return entry.status in RESUMABLE if action == "resume" else entry.status != "damaged"

    def action_new(self) -> None:
        self.post_message(NewRun())

    @work(thread=True, exit_on_error=False)
    def action_resume(self) -> None:
        """In a process of its own: whatever ended it before, this terminal will not."""
        entry = self.query_one(RunTable).selected
        if entry is None:
            return
        try:
            spawn(entry.folder)
        except TuitrainError as error:
            self.app.call_from_thread(self.notify, str(error), severity="error", markup=False)

    def action_clone(self) -> None:
        entry = self.query_one(RunTable).selected
        if entry is not None:
            self.post_message(NewRun(entry.config, entry.info.name))


def _home(path: Path) -> str:
    """The path as people write it."""
    absolute, home = path.absolute(), Path.home()
    return plain(f"~/{absolute.relative_to(home)}" if absolute.is_relative_to(home) else absolute)


def _about(entry: Entry) -> str:
    """Two lines: which run, how it ended; what makes it differ from the defaults."""
    reason = plain(entry.problem or entry.state.reason)
    settings = plain(" ".join(f"{key}={to_text(value)}" for key, value in changed(entry.config).items()))
    return f"{plain(entry.folder.id)}  {reason}\n{settings or 'all settings at their defaults'}"
