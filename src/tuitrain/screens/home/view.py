"""Choose what the runs table shows: filter, sort order, columns, seed groups and marks."""

from pathlib import Path

from textual.binding import Binding, BindingType
from textual.widgets import Input

from tuitrain.analysis.table.columns import columns
from tuitrain.analysis.table.group_rows import GroupRow
from tuitrain.analysis.table.state import TableState
from tuitrain.runs.catalog.listing import Entry
from tuitrain.screens.run_export import RunExportScreen
from tuitrain.widgets.forms.filter_bar import FilterBar
from tuitrain.widgets.messages import AskChoice
from tuitrain.widgets.tables.runs import RunTable

VIEW_BINDINGS: list[BindingType] = [
    Binding("slash", "filter", "filter", key_display="/", tooltip="Filter the runs", id="runs.filter"),
    Binding("o", "sort", "sort", tooltip="Sort by a column; the same one again reverses the order", id="runs.sort"),
    Binding("|", "columns", "columns", tooltip="Choose the columns", id="runs.columns"),
    Binding("a", "mark_all", tooltip="Mark or unmark all runs shown", show=False, id="runs.mark_all"),
    Binding("A", "mark_none", tooltip="Unmark all runs", show=False, id="runs.mark_none"),
]
# Declared first, so that a narrow footer shows it while a filter is on.
SHOW_ALL = Binding("escape", "all", "show all", tooltip="Clear the filter", id="runs.all")
# Declared last: a narrow footer drops it first.
GROUP = Binding(
    "T",
    "group",
    "seeds",
    tooltip="Group runs that differ only in the seed (mean ± sd)",
    id="runs.group",
)


class HomeView(RunExportScreen):
    """Filter, sort, group and mark the runs. `table_state` holds these choices of the user."""

    def __init__(self, runs_dir: Path) -> None:
        super().__init__()
        self.runs_dir = runs_dir
        self.table_state = TableState(runs_dir)

    def draw(self) -> None:
        """Draw the runs as `table_state` selects and orders them."""
        raise NotImplementedError

    @property
    def selected(self) -> Entry | None:
        """The run under the cursor."""
        return self.query_one(RunTable).selected if self.table_state.shown else None

    @property
    def targets(self) -> list[Entry]:
        """The runs that an action applies to."""
        return self.table_state.targets(self.selected)

    def _save_view(self) -> None:
        self.table_state.save()
        self.draw()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        state = self.table_state
        if action in ("filter", "sort", "columns", "group"):
            return bool(state.runs)
        if action in ("mark", "mark_all"):
            return self.selected is not None
        if action == "mark_none":
            return bool(state.markers())
        if action == "all":
            return bool(state.filter_text)
        return super().check_action(action, parameters)

    def action_filter(self) -> None:
        self.query_one(FilterBar).open()

    def on_input_changed(self, event: Input.Changed) -> None:
        self.table_state.filter(event.value)
        self.draw()

    def on_input_submitted(self) -> None:
        self.draw()  # A hidden table cannot take the focus.
        self.set_focus(self.query_one(RunTable) if self.table_state.shown else None)
        self._save_view()

    def on_filter_input_cleared(self) -> None:
        self.action_all()

    def action_all(self) -> None:
        self.table_state.filter("")
        self.query_one(FilterBar).clear()
        self.on_input_submitted()

    def action_mark(self) -> None:
        if (run := self.selected) is not None:
            self.table_state.toggle_mark(run)
            self.query_one(RunTable).action_move(1)
            self.draw()

    def action_mark_all(self) -> None:
        self.table_state.toggle_all_marks()
        self.draw()

    def action_mark_none(self) -> None:
        self.table_state.clear_marks()
        self.draw()

    def action_group(self) -> None:
        state = self.table_state
        state.toggle_groups()
        if state.grouped and not any(isinstance(row, GroupRow) for row in state.shown):
            state.toggle_groups()
            self.notify("No two of these runs differ only in training.seed", timeout=3)
        self._save_view()

    def _shown_columns(self) -> list[str]:
        return [column.key for column in self.query_one(RunTable).columns]

    def action_sort(self) -> None:
        keys = dict.fromkeys((*self._shown_columns(), *columns()))
        options = [("", "newest first", "by creation time"), *map(_option, keys)]
        self.post_message(AskChoice("Sort by", options, self._sort))

    def _sort(self, chosen: tuple[str, ...]) -> None:
        self.table_state.sort(chosen[0])
        self._save_view()

    def action_columns(self) -> None:
        keys = [key for key in columns() if key != "run"]
        options = [("", "automatic", "the settings that differ, and the scores"), *map(_option, keys)]
        self.post_message(AskChoice("Columns", options, self._choose_columns, self._shown_columns()[1:], many=True))

    def _choose_columns(self, chosen: tuple[str, ...]) -> None:
        if set(chosen) != set(self._shown_columns()[1:]):
            self.table_state.choose_columns(chosen)
            self._save_view()


def _option(key: str) -> tuple[str, str, str]:
    column = columns()[key]
    return key, column.title, f"{key}: {column.help}" if "." in key else column.help
