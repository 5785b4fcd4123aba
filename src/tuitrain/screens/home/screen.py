"""Show all runs, and which of them are training."""

from operator import is_not
from pathlib import Path
from time import monotonic
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.timer import Timer

from tuitrain.analysis.table import query
from tuitrain.analysis.table.columns import columns
from tuitrain.analysis.table.group_rows import GroupRow
from tuitrain.errors import RunError
from tuitrain.hosts.slurm.watch import SlurmWatch
from tuitrain.machine.watch import GpuWatch
from tuitrain.runs.catalog.index import RunIndex
from tuitrain.runs.catalog.listing import Entry
from tuitrain.runs.records import ACTIVE
from tuitrain.runs.slurm import waiting_runs
from tuitrain.runs.sweeps.catalog import sweep_of
from tuitrain.runs.sweeps.folder import SweepFolder
from tuitrain.screens.export import Export, table_exports
from tuitrain.screens.home.empty import HomeEmpty, introduction
from tuitrain.screens.home.head import MEASURE_INTERVAL, HomeHead, abbreviate
from tuitrain.screens.home.queue_actions import QUEUE_BINDINGS, QueueActions
from tuitrain.screens.home.run_actions import RUN_BINDINGS
from tuitrain.screens.home.view import GROUP, SHOW_ALL, VIEW_BINDINGS
from tuitrain.widgets.forms.filter_bar import FilterBar
from tuitrain.widgets.messages import OpenComparison, OpenNewRun, OpenRun, RunEnded, SweepEnded
from tuitrain.widgets.panels.run_detail import RunDetail
from tuitrain.widgets.tables.runs import RunTable
from tuitrain.widgets.terminal import notifications
from tuitrain.widgets.terminal.footer import FittingFooter
from tuitrain.widgets.terminal.keys import idle_seconds

# Seconds of reading before the first frame, and per slice afterwards.
FIRST_SLICE, SLICE = 0.05, 0.04
# Seconds between two redraws while thousands of runs are being read.
READING_REDRAW = 1.0
# Seconds between two slices of the list, seconds before the detail panel reads a run, and between its slices.
READ_INTERVAL, DETAIL_DELAY, DETAIL_INTERVAL = 0.01, 0.08, 0.05
# Seconds until the first measurement of the load.
FIRST_LOAD = 0.3
# Seconds after a key during which the load of the machine is updated.
LOOKING = 10.0
# The minimum height of the detail panel with charts.
DETAIL_HEIGHT = 13
# The number of marked runs that the detail panel compares with.
MAX_COMPARED = 48
# With more runs shown, a comparison of all of them is rarely meant.
MAX_UNMARKED = 100


class HomeScreen(QueueActions):
    """The table of all runs in the runs folder."""

    TITLE = "Runs"
    AUTO_FOCUS = ""
    BINDINGS: ClassVar[list[BindingType]] = [
        SHOW_ALL,
        Binding("n", "new", "new", tooltip="Set up a new run", id="runs.new"),
        Binding("space", "mark", "mark", tooltip="Mark the run for comparison", id="runs.mark"),
        Binding("c", "compare", "compare", tooltip="Compare the marked runs, or all shown", id="runs.compare"),
        # Offered for waiting runs only, for which the others matter less.
        *QUEUE_BINDINGS,
        *VIEW_BINDINGS,
        *RUN_BINDINGS,
        GROUP,
    ]

    def __init__(self, runs_dir: Path, gpus: GpuWatch | None = None) -> None:
        super().__init__(runs_dir)
        self._gpus = gpus or GpuWatch()
        self._slurm = SlurmWatch()
        self._index = RunIndex(runs_dir)
        self._runs: list[Entry] = []
        # Sweeps of which a run has ended, until their last worker ends.
        self._active_sweeps: dict[str, SweepFolder] = {}
        self._problem = ""
        self._drawn_at = 0.0
        self._read_timer: Timer | None = None
        self._detail_timer: Timer | None = None

    def compose(self) -> ComposeResult:
        yield HomeHead(self._gpus)
        yield FilterBar(self.table_state.filter_text, lambda text: query.complete(text, self.table_state.runs))
        yield RunTable()
        yield HomeEmpty()
        yield RunDetail()
        yield FittingFooter()

    def on_mount(self) -> None:
        # After the first frame: loading the library takes as long as the frame.
        self.set_timer(FIRST_LOAD, self._measure)
        # The use of the CPU is known from the second measurement, and the GPUs have answered by then.
        self.set_timer(FIRST_LOAD + MEASURE_INTERVAL, self._measure)

    def _measure(self) -> None:
        if self._shown:
            self.query_one(HomeHead).measure()
            self.draw()

    # Reading and drawing

    def tick(self) -> None:
        notifications.set_title(self.app, "tuitrain")
        self._read(SLICE if self._drawn_at else FIRST_SLICE)
        self._announce_ended_sweeps()
        self._slurm.look(lambda: waiting_runs((run.folder, run.state) for run in self._runs), idle_seconds(self.app))
        # An idle screen that nobody looks at must write nothing to the terminal.
        if self._key_pressed_recently or any(run.status in ACTIVE for run in self._runs):
            self.query_one(HomeHead).measure()
        self.draw()
        self._poll_detail()

    @property
    def _key_pressed_recently(self) -> bool:
        return idle_seconds(self.app) < LOOKING

    def reload(self) -> None:
        self._read(FIRST_SLICE, everything=True)
        self.draw()

    def _read(self, seconds: float, *, everything: bool = False) -> None:
        before = {run.folder.id for run in self._runs if run.status in ACTIVE and run.state.started is not None}
        try:
            self._runs, self._problem = self._index.refresh(seconds, everything=everything), ""
        except RunError as error:
            self._runs, self._problem = [], str(error)
        for run in self._runs:
            if run.folder.id in before and run.status not in ACTIVE:
                self._announce_end(run)
        self.read_queue(self._runs)
        if self._index.unread and self._read_timer is None:
            self._read_timer = self.set_timer(READ_INTERVAL, self._read_next_slice)

    def _announce_end(self, run: Entry) -> None:
        """Announce the end of a run; the runs of a sweep are announced together, when the sweep ends."""
        sweep = sweep_of(self.runs_dir, run.info.parent)
        if sweep is None:
            self.post_message(RunEnded(run.folder, run.info.name, run.state, run.status))
        else:
            self._active_sweeps[sweep.id] = sweep

    def _announce_ended_sweeps(self) -> None:
        for sweep in list(self._active_sweeps.values()):
            in_queue = any(run.info.parent == sweep.id and run.status in ACTIVE for run in self._runs)
            if not in_queue and not sweep.sessions() and not sweep.submission():
                del self._active_sweeps[sweep.id]
                self.post_message(SweepEnded(sweep))

    def _read_next_slice(self) -> None:
        """Read thousands of runs in slices, so that keys are answered in between."""
        self._read_timer = None
        if self._shown:
            self._read(SLICE)
            if not self._index.unread or monotonic() - self._drawn_at > READING_REDRAW:
                self.draw()

    def draw(self) -> None:
        state, table, bar = self.table_state, self.query_one(RunTable), self.query_one(FilterBar)
        # The index returns the same entry for an unchanged run.
        if len(self._runs) != len(state.runs) or any(map(is_not, self._runs, state.runs)):
            state.update(self._runs)
        appeared = bool(state.shown) and not table.display
        table.display = bool(state.shown)
        self._draw_empty()
        table.show(
            state.shown,
            state.columns,
            show_all=bool(state.chosen_columns),
            sorted_by=state.sorted_by,
            marks=state.markers(),
        )
        bar.display = bar.typing or bool(state.filter_text)
        bar.show_status(state.filter_error or self._match_count(), error=bool(state.filter_error))
        if (appeared and not bar.typing) or (state.shown and self.focused is None):
            table.focus()
        self.query_one(HomeHead).show_runs(state, self.undo_hint or self.queue_hint, self._index.unread, self.runs_dir)
        self._arrange()
        self._draw_detail()
        self.refresh_bindings()
        self._drawn_at = monotonic()

    def on_resize(self) -> None:
        self._arrange()

    def _arrange(self) -> None:
        """Give the height that a short table does not need to the charts of the detail panel."""
        table, detail, bar = self.query_one(RunTable), self.query_one(RunDetail), self.query_one(FilterBar)
        # The table has a header and an empty line.
        rows = len(self.table_state.shown) + 2
        roomy = bool(self.table_state.shown) and self.size.height - 2 - bar.display - rows >= DETAIL_HEIGHT
        table.styles.height = rows if roomy else "1fr"
        if detail.has_class("roomy") != roomy:
            detail.set_class(roomy, "roomy")
            self._poll_detail()

    def _draw_empty(self) -> None:
        empty = self.query_one(HomeEmpty)
        empty.display = not self.table_state.shown
        if not empty.display:
            return
        if self._problem:
            empty.show(Content(self._problem))
        elif self.table_state.runs:
            empty.show(Content("No run matches the filter. Press esc to show all runs."))
        elif self._index.unread:
            empty.show(Content("Reading the runs …"))
        else:
            empty.show(introduction(abbreviate(self.runs_dir)))

    def _match_count(self) -> str:
        key, falling = self.table_state.sorted_by
        order = f" · by {columns()[key].title} {'↓' if falling else '↑'}" if key in columns() else ""
        return f"{len(self.table_state.shown):,} of {len(self.table_state.runs):,}{order}"

    # The run under the cursor

    def _draw_detail(self) -> None:
        state, run = self.table_state, self.selected
        detail = self.query_one(RunDetail)
        detail.display = bool(state.runs)
        detail.waits = self.waits.get(run.folder.id, "") if run else ""
        if detail.watch_run(run, state.marked()[:MAX_COMPARED], state.markers(), grouped=state.grouped):
            # Delayed, so that moving quickly over many runs does not read each of them.
            self._stop_detail_timer()
            self._detail_timer = self.set_timer(DETAIL_DELAY, self._poll_detail)

    def _poll_detail(self) -> None:
        self._stop_detail_timer()
        if self._shown and self.query_one(RunDetail).poll():
            self._detail_timer = self.set_timer(DETAIL_INTERVAL, self._poll_detail)

    def _stop_detail_timer(self) -> None:
        if self._detail_timer is not None:
            self._detail_timer.stop()
            self._detail_timer = None

    def on_run_table_moved(self) -> None:
        self._draw_detail()
        self.refresh_bindings()

    def on_run_table_opened(self) -> None:
        if isinstance(run := self.selected, GroupRow):
            self.post_message(OpenComparison([member.folder for member in run.runs]))
        elif run is not None:
            self.post_message(OpenRun(run.folder))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if not self.is_mounted or not hasattr(self, f"action_{action}"):
            return True
        if self.query_one(FilterBar).typing:
            return False
        if action == "compare":
            return len(self.table_state.to_compare(self.selected)) > 1
        return super().check_action(action, parameters)

    def exports(self) -> list[Export]:
        table = self.query_one(RunTable)
        exports = table_exports("the table as shown", "runs", lambda: table.lines)
        return [export._replace(name=f"table as {export.name}") for export in exports] + [self.picture_export("runs")]

    def action_new(self) -> None:
        self.post_message(OpenNewRun())

    def action_compare(self) -> None:
        state = self.table_state
        folders = [run.folder for run in state.to_compare(self.selected)]
        if not state.marked() and len(folders) > MAX_UNMARKED:
            self.notify(f"Too many runs to compare: mark some with space, or all {len(folders):,} with a", timeout=5)
            return
        self.post_message(OpenComparison(folders, state.markers(), grouped=state.grouped))
