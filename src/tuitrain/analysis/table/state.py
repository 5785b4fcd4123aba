"""The state of the runs table: filter, sort order, columns, seed groups and marks."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from tuitrain.analysis.table import layout, query
from tuitrain.analysis.table.columns import columns
from tuitrain.analysis.table.group_rows import group_entries, members
from tuitrain.analysis.table.markers import RunMarker, assign_markers
from tuitrain.runs.catalog import saved_view
from tuitrain.runs.catalog.listing import Entry


class TableState:
    """`runs` are all runs, `shown` the rows that match the filter, in order.

    `filter_error` describes the first invalid term of the filter; the valid terms apply. Everything except the marks is
    restored in the next session after `save`.
    """

    def __init__(self, runs_dir: Path) -> None:
        self._runs_dir = runs_dir
        self._view = saved_view.load(runs_dir)
        self.runs: Sequence[Entry] = ()
        self.shown: list[Entry] = []
        self._marks: list[str] = []
        self._default_columns: tuple[set[object], list[str]] = (set(), [])
        self._markers: dict[str, RunMarker] = {}
        self.filter(self._view.filter)

    def update(self, runs: Sequence[Entry]) -> None:
        self.runs = runs
        matching = [run for run in runs if self._matches(run)]
        matching = group_entries(matching) if self.grouped else matching
        by = columns().get(self._view.sort)
        self.shown = layout.sort_entries(matching, by, self._view.falling) if by else matching

    def save(self) -> None:
        saved_view.save(self._runs_dir, self._view)

    @property
    def grouped(self) -> bool:
        """Whether runs that differ only in their seed form one row."""
        return self._view.grouped

    def toggle_groups(self) -> None:
        self._view.grouped = not self._view.grouped
        self.update(self.runs)

    @property
    def filter_text(self) -> str:
        return self._view.filter

    def filter(self, text: str) -> None:
        self._view.filter = text
        self._matches, error = query.parse_typed(text)
        self.filter_error = "" if error is None else str(error)
        self.update(self.runs)

    @property
    def sorted_by(self) -> tuple[str, bool]:
        """The key of the sort column and whether it is descending; an empty key means newest first."""
        return self._view.sort, self._view.falling

    def sort(self, key: str) -> None:
        """Sort by a column, the best first; the same column again reverses the order."""
        column = columns().get(key)
        falling = not self._view.falling if key == self._view.sort else column is not None and column.falling
        self._view.sort, self._view.falling = key, falling and column is not None
        self.update(self.runs)

    @property
    def chosen_columns(self) -> list[str]:
        """The keys of the columns that the user chose; empty for the default."""
        return [key for key in self._view.columns if key in columns() and key != "run"]

    @property
    def columns(self) -> list[str]:
        """The keys of the columns, the most important first; they include the sort column."""
        keys, by = self.chosen_columns or self.default_columns(), self._view.sort
        return keys if by in ("", "run", *self.chosen_columns) or by not in columns() else [
            by, *(key for key in keys if key != by)
        ]  # fmt: skip

    def choose_columns(self, keys: Sequence[str]) -> None:
        self._view.columns = tuple(layout.table_order(key for key in keys if key in columns()))

    def default_columns(self) -> list[str]:
        """Return `layout.default_columns` of the shown runs, cached until their settings change."""
        settings: set[object] = {(id(run.config), run.state.lr, run.state.epochs) for run in self.shown}
        if settings != self._default_columns[0]:
            self._default_columns = settings, layout.default_columns(self.shown)
        return self._default_columns[1]

    def marked(self) -> list[Entry]:
        """Return the marked runs that match the filter, in the order of marking."""
        return _select(self._marks, self._shown_runs())

    @property
    def hidden_marks(self) -> int:
        """The number of marked runs that the filter hides."""
        return len(_select(self._marks, self.runs)) - len(self.marked())

    def markers(self) -> dict[str, RunMarker]:
        """Return the marker of each marked run, hidden or not. A run keeps its marker while others come and go."""
        marked = [run.folder.id for run in _select(self._marks, self.runs)]
        if marked != list(self._markers):
            self._markers = assign_markers(marked, self._markers)
        return self._markers

    def toggle_mark(self, run: Entry) -> None:
        ids, marks = [member.folder.id for member in members(run)], self._marks
        if ids[0] in marks:
            self._marks = [mark for mark in marks if mark not in ids]
        else:
            marks += [id for id in ids if id not in marks]

    def toggle_all_marks(self) -> None:
        """Mark all shown runs, or unmark them if all are marked."""
        shown, marked = [run.folder.id for run in self._shown_runs()], set(self._marks)
        if marked.issuperset(shown):
            self._marks = [mark for mark in self._marks if mark not in set(shown)]
        else:
            self._marks += [run for run in shown if run not in marked]

    def clear_marks(self) -> None:
        self._marks = []

    def targets(self, run: Entry | None) -> list[Entry]:
        """Return the runs that an action on `run` applies to: all shown marked runs if it is marked, else its own."""
        if run is None:
            return []
        marks = set(self._marks)
        if run.folder.id not in marks:
            return list(members(run))
        return [shown for shown in self._shown_runs() if shown.folder.id in marks]

    def _shown_runs(self) -> list[Entry]:
        return [run for row in self.shown for run in members(row)]

    def to_compare(self, run: Entry | None) -> list[Entry]:
        """Return the marked runs, with those under the cursor if only one is marked; without marks, all shown runs."""
        marked = self.marked()
        if not marked and not self.hidden_marks:
            return self._shown_runs()
        return marked if len(marked) > 1 or run is None or run in marked else [*marked, *members(run)]


def _select(ids: Sequence[str], runs: Iterable[Entry]) -> list[Entry]:
    by_id = {run.folder.id: run for run in runs} if ids else {}
    return [by_id[id] for id in ids if id in by_id]
