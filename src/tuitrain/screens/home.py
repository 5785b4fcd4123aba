"""Runs: what do I have, and what is going on?"""

from collections import Counter
from collections.abc import Sequence
from operator import is_
from pathlib import Path
from time import monotonic
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.timer import Timer
from textual.widgets import Static

from tuitrain.analysis.table import query
from tuitrain.analysis.table.columns import columns
from tuitrain.analysis.table.group_rows import Bundle
from tuitrain.analysis.table.overview import Overview
from tuitrain.errors import RunError
from tuitrain.runs.catalog.index import RunIndex
from tuitrain.runs.catalog.listing import Entry
from tuitrain.runs.sweeps.folder import SweepFolder, sweep_of
from tuitrain.screens.home_view import CHOICES, GROUP, HomeView
from tuitrain.screens.run_actions import ACTIVE, CHANGES
from tuitrain.text import plain
from tuitrain.widgets.forms.filter_bar import FilterBar
from tuitrain.widgets.messages import OpenComparison, OpenNewRun, OpenRun, RunEnded, SweepEnded
from tuitrain.widgets.panels.fixed_text import Said
from tuitrain.widgets.panels.run_detail import RunDetail
from tuitrain.widgets.tables.runs import RunTable
from tuitrain.widgets.terminal import notifications
from tuitrain.widgets.terminal.footer import FittingFooter
from tuitrain.widgets.terminal.textual_internals import bindings_of

# Seconds of reading before the first picture, and at a stretch from then on.
FIRST, STRETCH = 0.05, 0.04
# With how many of the marked runs the one under the cursor is compared.
COMPARED = 48
EMPTY = """\
No runs yet.

Press [b $accent]n[/] to set one up: the digits that are built in need no network,
and train in a few seconds.

Runs are kept in $folder"""


class HomeScreen(HomeView):
    """The home screen: a table of the folder's runs."""

    TITLE = "Runs"
    AUTO_FOCUS = ""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n", "new", "new", tooltip="Set up a new run", id="runs.new"),
        Binding("space", "mark", "mark", tooltip="Mark the run, to compare it", id="runs.mark"),
        Binding("c", "compare", "compare", tooltip="Compare the marked runs", id="runs.compare"),
        *CHOICES,
        *CHANGES,
        GROUP,
    ]

    def __init__(self, runs_dir: Path) -> None:
        super().__init__()
        self.runs_dir = runs_dir
        self._index = RunIndex(runs_dir)
        self.overview = Overview(runs_dir)
        self._runs: list[Entry] = []
        # Those that went on when one of their runs ended.
        self._sweeps: dict[str, SweepFolder] = {}
        self._problem = ""
        self._drawn = 0.0
        self._works: list[bool | None] = []
        self._reading: Timer | None = None
        self._following: Timer | None = None

    def compose(self) -> ComposeResult:
        yield Said(id="head")
        yield FilterBar(self.overview.text, lambda text: query.complete(text, self.overview.runs))
        yield RunTable()
        yield Static(id="empty")
        yield RunDetail()
        yield FittingFooter()

    # What is there, and what of it is drawn.

    def tick(self) -> None:
        notifications.set_title(self.app, "tuitrain")
        self._read(STRETCH if self._drawn else FIRST)
        self._look_at_sweeps()
        self.draw()
        self._follow()

    def changed(self) -> None:
        self._read(FIRST, everything=True)
        self.draw()

    def _read(self, seconds: float, *, everything: bool = False) -> None:
        before = {run.folder.id for run in self._runs if run.status in ACTIVE and run.state.started is not None}
        try:
            self._runs, self._problem = self._index.refresh(seconds, everything=everything), ""
        except RunError as error:
            self._runs, self._problem = [], str(error)
        for run in self._runs:
            if run.folder.id in before and run.status not in ACTIVE:
                self._ended(run)
        if self._index.unread and self._reading is None:
            self._reading = self.set_timer(0.01, self._read_on)

    def _ended(self, run: Entry) -> None:
        """Of a sweep's runs the last alone is worth a bell."""
        sweep = sweep_of(self.runs_dir, run.info.parent)
        if sweep is None:
            self.post_message(RunEnded(run.folder, run.info.name, run.state, run.status))
        else:
            self._sweeps[sweep.id] = sweep

    def _look_at_sweeps(self) -> None:
        for sweep in list(self._sweeps.values()):
            if not sweep.sessions():
                del self._sweeps[sweep.id]
                self.post_message(SweepEnded(sweep))

    def _read_on(self) -> None:
        """Thousands are read a stretch at a time, with keys heard in between, and shown as they come."""
        self._reading = None
        if self._shown:
            self._read(STRETCH)
            if not self._index.unread or monotonic() - self._drawn > 1:
                self.draw()

    def draw(self) -> None:
        overview, table = self.overview, self.query_one(RunTable)
        if not _same(self._runs, overview.runs):
            overview.update(self._runs)
        appeared = bool(overview.shown) and not table.display
        table.display = bool(overview.shown)
        empty = self.query_one("#empty", Static)
        empty.display = not overview.shown
        if empty.display and (nothing := self._nothing()).plain != str(empty.content):
            empty.update(nothing)
        table.show(
            overview.shown,
            overview.columns,
            chosen=bool(overview.chosen),
            sorted_by=overview.sorted_by,
            marks=overview.identities(),
        )
        bar = self.query_one(FilterBar)
        bar.display = bar.typing or bool(overview.text)
        bar.say(overview.wrong or self._found(), wrong=bool(overview.wrong))
        if (appeared and not bar.typing) or (overview.shown and self.focused is None):
            table.focus()
        self.query_one("#head", Said).say(self._head())
        self._detail()
        self._offer()
        self._drawn = monotonic()

    def _nothing(self) -> Content:
        if self._problem:
            return Content(self._problem)
        if self.overview.runs:
            return Content("No run fits the filter.")
        if self._index.unread:
            return Content("Reading the runs.")
        return Content.from_markup(EMPTY, folder=_home(self.runs_dir))

    def _head(self) -> Content:
        overview = self.overview
        counts = Counter(run.status for run in overview.runs)
        total, marked, hidden = len(overview.runs), len(overview.identities()), overview.hidden
        said = [f"{total:,} run{'s' * (total != 1)}"]
        said += [f"{counts[status]:,} {status}" for status in ("running", "paused", "interrupted") if counts[status]]
        said += [f"{marked:,} marked" + (f" ({hidden:,} hidden)" if hidden else "")] if marked else []
        said += [self.undoes] if self.undoes else []
        said += [f"{self._index.unread:,} still to read"] if self._index.unread else []
        return Content.assemble(
            ("tuitrain", "bold $accent"), (f" · {', '.join(said)} · {_home(self.runs_dir)}", "$foreground 60%")
        )

    def _found(self) -> str:
        key, falling = self.overview.sorted_by
        order = f" · by {columns()[key].title} {'↓' if falling else '↑'}" if key in columns() else ""
        return f"{len(self.overview.shown):,} of {len(self.overview.runs):,}{order}"

    # The run under the cursor.

    @property
    def selected(self) -> Entry | None:
        return self.query_one(RunTable).selected if self.overview.shown else None

    @property
    def targets(self) -> list[Entry]:
        return self.overview.targets(self.selected)

    def _detail(self) -> None:
        overview, run = self.overview, self.selected
        detail = self.query_one(RunDetail)
        detail.display = bool(overview.runs)
        detail.watch_run(run, overview.marked()[:COMPARED], overview.identities().get(run.folder.id) if run else None)

    def _follow(self) -> None:
        if self._following is not None:
            self._following.stop()
            self._following = None
        if self._shown and self.query_one(RunDetail).poll():
            self._following = self.set_timer(0.05, self._follow)

    def on_run_table_moved(self) -> None:
        self._detail()
        self._offer()
        # A cursor that only passes by reads nothing.
        if self._following is not None:
            self._following.stop()
        self._following = self.set_timer(0.08, self._follow)

    def on_run_table_opened(self) -> None:
        if isinstance(run := self.selected, Bundle):
            self.post_message(OpenComparison([one.folder for one in run.runs]))
        elif run is not None:
            self.post_message(OpenRun(run.folder))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if not self.is_mounted or not hasattr(self, f"action_{action}"):
            return super().check_action(action, parameters)
        overview, run = self.overview, self.selected
        if self.query_one(FilterBar).typing:
            return False
        if action == "compare":
            return len(overview.compared(run)) > 1
        possible = self.choosable(action)
        possible = self.possible(action) if possible is None else possible
        return True if possible is None else possible

    def _offer(self) -> None:
        """The footer is built anew only where other keys work."""
        works = [self.check_action(binding.action, ()) for binding in bindings_of(self)]
        if works != self._works:
            self._works = works
            self.refresh_bindings()

    def action_new(self) -> None:
        self.post_message(OpenNewRun())

    def action_compare(self) -> None:
        compared = self.overview.compared(self.selected)
        folders, known = [run.folder for run in compared], self.overview.identities()
        self.post_message(OpenComparison(folders, known, grouped=self.overview.grouped))


def _same(some: Sequence[Entry], others: Sequence[Entry]) -> bool:
    """Whether nothing was read anew; comparing what is in thousands of runs would take long."""
    return len(some) == len(others) and all(map(is_, some, others))


def _home(path: Path) -> str:
    """The path as people write it."""
    absolute, home = path.absolute(), Path.home()
    return plain(f"~/{absolute.relative_to(home)}" if absolute.is_relative_to(home) else absolute)
