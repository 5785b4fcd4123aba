"""The table of a sweep's runs. Rows keep their places while their cells change."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.widgets import DataTable

from tuitrain.analysis import sweep as analysis
from tuitrain.analysis import units
from tuitrain.analysis.table.columns import columns
from tuitrain.analysis.table.groups import MeanSD
from tuitrain.analysis.table.markers import RunMarker
from tuitrain.config.formatting import format_value
from tuitrain.config.settings import FOLD, SEED
from tuitrain.config.sweeps.sweep import Sweep
from tuitrain.config.validation import find_setting
from tuitrain.runs.catalog.result import metric
from tuitrain.runs.sweeps.index import Outcome
from tuitrain.text import plain, utf8_locale
from tuitrain.widgets.tables.runs import SIGNS
from tuitrain.widgets.terminal.colors import STATUS_COLORS

# Titles of the columns that every sweep has.
OWN = ("trial", "status", "time", *analysis.TITLES.values())


class SweepTable(DataTable[Text]):
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "select_cursor", "open", tooltip="Open the run", id="sweep.open"),
        Binding("j,down", "cursor_down", tooltip="Next run", show=False, id="sweep.down"),
        Binding("k,up", "cursor_up", tooltip="Previous run", show=False, id="sweep.up"),
        Binding("g,home", "scroll_top", tooltip="First run", show=False, id="sweep.top"),
        Binding("G,end", "scroll_bottom", tooltip="Last run", show=False, id="sweep.bottom"),
    ]

    def __init__(self) -> None:
        super().__init__(cursor_type="row", cell_padding=1)
        self._outcomes: list[Outcome] = []
        self._rows: dict[str, list[str]] = {}
        self._heads: list[str] = []
        self._left_aligned: set[str] = set()
        self.best_first = False
        self._show_signs = utf8_locale()

    def on_mount(self) -> None:
        self.app.theme_changed_signal.subscribe(self, lambda _: self._recolor())

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "select_cursor":
            return self.selected is not None and self.selected.run is not None
        return super().check_action(action, parameters)

    @property
    def selected(self) -> Outcome | None:
        return self._outcomes[self.cursor_row] if 0 <= self.cursor_row < len(self._outcomes) else None

    @property
    def lines(self) -> list[list[str]]:
        """The titles and the cells as shown."""
        return [self._heads, *self._rows.values()]

    def show(
        self,
        sweep: Sweep,
        outcomes: Sequence[Outcome],
        best: tuple[int, MeanSD] | None,
        markers: Mapping[str, RunMarker],
    ) -> None:
        """Update the table; `best` is the best trial so far with its score, `markers` are those of the marked runs by
        id."""
        selected = self.selected.job.key if self.selected else ""
        if self.best_first:
            outcomes = sorted(outcomes, key=lambda outcome: _sort_key(sweep, outcome))
        names = column_titles(_varying_settings(sweep))
        metrics = [analysis.column_title(sweep, name) for name in _metrics(sweep)]
        heads = ["trial", "status", *names.values(), *metrics, "time"]
        words = (name for key, name in names.items() if find_setting(key).kind not in (int, float))
        self._left_aligned = {"status", *words}
        star = heads.index(metrics[0])
        before, rows = self._rows, {outcome.job.key: _cells(sweep, outcome) for outcome in outcomes}
        for outcome in outcomes:
            marker = markers.get(outcome.run.id) if outcome.run else None
            is_best = best is not None and outcome.job.trial == best[0]
            self._add_signs(rows[outcome.job.key], outcome, marker, star if is_best else None)
        same_places = heads == self._heads and list(rows) == list(before)
        self._outcomes, self._heads, self._rows = list(outcomes), heads, rows
        if same_places:
            self._update_cells(before)
        else:
            self._rebuild()
            if selected in rows:
                self.move_cursor(row=list(rows).index(selected), animate=False)

    def _add_signs(self, cells: list[str], outcome: Outcome, marker: RunMarker | None, star: int | None) -> None:
        """Put the marker of the run, the sign of its status, and in column `star` a star in front of the cells."""
        if marker:
            cells[0] = f"{marker.marker if self._show_signs else marker.ascii} {cells[0]}"
        if self._show_signs:
            cells[1] = f"{SIGNS[outcome.status]} {cells[1]}"
        if star is not None:
            cells[star] = f"{'★' if self._show_signs else '*'} {cells[star]}"

    def _update_cells(self, before: Mapping[str, Sequence[str]]) -> None:
        for outcome in self._outcomes:
            key = outcome.job.key
            for column, (old, cell) in enumerate(zip(before[key], self._rows[key], strict=True)):
                if cell != old:
                    self.update_cell(key, self._heads[column], self._text(outcome, column, cell), update_width=True)

    def _rebuild(self) -> None:
        self.clear(columns=True)
        for head in self._heads:
            self.add_column(Text(head, justify="left" if head in self._left_aligned else "right"), key=head)
        for outcome in self._outcomes:
            cells = self._rows[outcome.job.key]
            self.add_row(*(self._text(outcome, *cell) for cell in enumerate(cells)), key=outcome.job.key)

    def _recolor(self) -> None:
        for outcome in self._outcomes:
            key = outcome.job.key
            self.update_cell(key, "status", self._text(outcome, 1, self._rows[key][1]))

    def _text(self, outcome: Outcome, column: int, cell: str) -> Text:
        head = self._heads[column]
        color = self.app.theme_variables.get(STATUS_COLORS.get(outcome.status, ""), "") if head == "status" else ""
        return Text(cell, style=color, justify="left" if head in self._left_aligned else "right")


def _metrics(sweep: Sweep) -> tuple[str, str]:
    """Return the sweep's metric and the test metric of the same weights."""
    return sweep.objective, analysis.test_metric(sweep.objective)


def _varying_settings(sweep: Sweep) -> list[str]:
    return list(dict.fromkeys([*sweep.varying_keys, SEED, *([FOLD] if sweep.folds else [])]))


def column_titles(keys: Sequence[str]) -> dict[str, str]:
    """Return the titles of the runs table, or the key itself if a title would be ambiguous."""
    names = {key: columns()[key].title if key in columns() else key.rpartition(".")[2] for key in keys}
    titles = list(names.values())
    return {key: name if titles.count(name) == 1 and name not in OWN else key for key, name in names.items()}


def _sort_key(sweep: Sweep, outcome: Outcome) -> tuple[bool, float]:
    """Sort the best run first and runs without a score last."""
    value = metric(outcome.state, sweep.objective)
    return value is None, 0.0 if value is None else -value if sweep.higher_is_better else value


def _cells(sweep: Sweep, outcome: Outcome) -> list[str]:
    state, values = outcome.state, {} if outcome.values is None else sweep.used(sweep.settings(outcome.values))
    values |= {SEED: sweep.seed(outcome.values or {}, outcome.job.seed), FOLD: sweep.fold(outcome.job.seed)}
    texts = [format_value(values[key]) if key in values else units.UNKNOWN for key in _varying_settings(sweep)]
    status = analysis.display_status(outcome)
    if state and state.steps and status in ("running", "paused"):
        status = f"{status} {100 * state.step / state.steps:.0f} %"
    cells = [
        str(outcome.job.trial), status, *texts,
        *(analysis.format_metric(name, metric(state, name)) for name in _metrics(sweep)),
        units.duration(state.seconds if state and state.step else None),
    ]  # fmt: skip
    return [plain(cell, 40) for cell in cells]
