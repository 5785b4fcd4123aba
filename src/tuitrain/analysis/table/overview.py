"""The runs of a folder as their user looks at them: filtered, sorted, some of them marked."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from tuitrain.analysis.table import layout, query
from tuitrain.analysis.table.columns import columns
from tuitrain.analysis.table.group_rows import bundled, members
from tuitrain.analysis.table.markers import Identity, identities
from tuitrain.runs.catalog import saved_view
from tuitrain.runs.catalog.listing import Entry


class Overview:
    """`runs` are all that are known, `shown` those that fit the filter, in order; `wrong` says what is wrong with the
    filter, whose other terms count. What is chosen, other than marks, is kept between sessions with `keep`."""

    def __init__(self, runs_dir: Path) -> None:
        self._runs_dir = runs_dir
        self._view = saved_view.load(runs_dir)
        self.runs: Sequence[Entry] = ()
        self.shown: list[Entry] = []
        self.wrong = ""
        self._marks: list[str] = []
        self._fits = query.parse("")
        self._automatic: tuple[set[object], list[str]] = (set(), [])
        self._identities: dict[str, Identity] = {}
        self.filter(self._view.filter)

    def update(self, runs: Sequence[Entry]) -> None:
        self.runs = runs
        fitting = [run for run in runs if self._fits(run)]
        fitting = bundled(fitting) if self.grouped else fitting
        by = columns().get(self._view.sort)
        self.shown = layout.ordered(fitting, by, self._view.falling) if by else fitting

    @property
    def grouped(self) -> bool:
        """Whether runs that differ only in their seed are one row."""
        return self._view.grouped

    def group(self) -> None:
        """Take them together, or not."""
        self._view.grouped = not self._view.grouped
        self.update(self.runs)

    def keep(self) -> None:
        saved_view.save(self._runs_dir, self._view)

    @property
    def text(self) -> str:
        """The filter as it was typed."""
        return self._view.filter

    def filter(self, text: str) -> None:
        self._view.filter = text
        self._fits, error = query.parse_typed(text)
        self.wrong = "" if error is None else str(error)
        self.update(self.runs)

    @property
    def sorted_by(self) -> tuple[str, bool]:
        """The key of a column, empty for the newest first, and whether the largest comes first."""
        return self._view.sort, self._view.falling

    def sort(self, key: str) -> None:
        """By another column, the best first; by the same one, the other way round."""
        column = columns().get(key)
        falling = not self._view.falling if key == self._view.sort else column is not None and column.falling
        self._view.sort, self._view.falling = key, falling and column is not None
        self.update(self.runs)

    @property
    def chosen(self) -> list[str]:
        """The keys of the columns that the user chose, none of them where that is left to the program."""
        return [key for key in self._view.columns if key in columns() and key != "run"]

    @property
    def columns(self) -> list[str]:
        """The keys of the columns, those most worth their room first; that of the order is among them."""
        keys, by = self.chosen or self.automatic(), self._view.sort
        return keys if by in ("", "run", *self.chosen) or by not in columns() else [by, *(k for k in keys if k != by)]

    def choose(self, keys: Sequence[str]) -> None:
        self._view.columns = tuple(layout.in_order(key for key in keys if key in columns()))

    def automatic(self) -> list[str]:
        """As `arrange.automatic` of the runs shown, found anew only where these are others."""
        settings: set[object] = {(id(run.config), run.state.lr, run.state.epochs) for run in self.shown}
        if settings != self._automatic[0]:
            self._automatic = settings, layout.automatic(self.shown)
        return self._automatic[1]

    def marked(self) -> list[Entry]:
        """In the order in which they were marked; those that the filter hides take part in nothing."""
        return _in_order(self._marks, self._members())

    @property
    def hidden(self) -> int:
        """How many marked runs the filter hides."""
        return len(_in_order(self._marks, self.runs)) - len(self.marked())

    def identities(self) -> dict[str, Identity]:
        """Of those marked, hidden or not, by id; what is marked or not beside a run leaves its own as it is."""
        marked = [run.folder.id for run in _in_order(self._marks, self.runs)]
        if marked != list(self._identities):
            self._identities = identities(marked, self._identities)
        return self._identities

    def mark(self, run: Entry) -> None:
        """Mark it, or take its mark away."""
        ids, marks = [one.folder.id for one in members(run)], self._marks
        if ids[0] in marks:
            self._marks = [mark for mark in marks if mark not in ids]
        else:
            marks += [id for id in ids if id not in marks]

    def mark_shown(self) -> None:
        """Mark all shown; where they are, none of them."""
        shown, before = [run.folder.id for run in self._members()], set(self._marks)
        if before.issuperset(shown):
            self._marks = [mark for mark in self._marks if mark not in set(shown)]
        else:
            self._marks += [run for run in shown if run not in before]

    def mark_none(self) -> None:
        self._marks = []

    def targets(self, run: Entry | None) -> list[Entry]:
        """What a change of this run is for: for all marked and shown where it is one of them."""
        if run is None or run.folder.id not in self._marks:
            return [] if run is None else list(members(run))
        marks = set(self._marks)
        return [one for one in self._members() if one.folder.id in marks]

    def _members(self) -> list[Entry]:
        return [run for row in self.shown for run in members(row)]

    def compared(self, run: Entry | None) -> list[Entry]:
        """The marked ones; where that is one, with this run; where that is none, the runs of this row."""
        marked = self.marked()
        alone = len(marked) < 2 and run is not None and run.folder.id not in self._marks
        both = [*marked, *members(run)] if alone and run is not None else []
        return both if len(both) > 1 else marked


def _in_order(ids: Sequence[str], runs: Iterable[Entry]) -> list[Entry]:
    """The runs that have these ids."""
    known = {run.folder.id: run for run in runs} if ids else {}
    return [known[one] for one in ids if one in known]
