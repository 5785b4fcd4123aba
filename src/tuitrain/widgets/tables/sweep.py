"""The runs of a sweep: rows stay where they are while their cells change."""

from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.widgets import DataTable

from tuitrain.analysis import sweep as analysis
from tuitrain.analysis import units
from tuitrain.analysis.sweep import Summary
from tuitrain.analysis.table.columns import columns
from tuitrain.config.formatting import format_value
from tuitrain.config.settings import settings
from tuitrain.config.sweeps.sweep import Sweep
from tuitrain.runs.catalog.result import metric
from tuitrain.runs.sweeps.index import Outcome
from tuitrain.text import plain, utf8_locale
from tuitrain.widgets.tables.runs import COLORS, SIGNS

# Columns that every sweep has.
OWN = ("trial", "status", "time", *analysis.TITLES.values())


class SweepTable(DataTable[Text]):
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "select_cursor", "open", tooltip="Watch the run, or see its results", id="sweep.open"),
        Binding("j,down", "cursor_down", tooltip="Next run", show=False, id="sweep.down"),
        Binding("k,up", "cursor_up", tooltip="Run before", show=False, id="sweep.up"),
        Binding("g,home", "scroll_top", tooltip="First run", show=False, id="sweep.top"),
        Binding("G,end", "scroll_bottom", tooltip="Last run", show=False, id="sweep.bottom"),
    ]

    def __init__(self) -> None:
        super().__init__(cursor_type="row", cell_padding=1)
        self._outcomes: list[Outcome] = []
        self._rows: dict[str, list[str]] = {}
        self._heads: list[str] = []
        self._left: set[str] = set()
        self.best_first = False
        self._signs = utf8_locale()

    def on_mount(self) -> None:
        self.app.theme_changed_signal.subscribe(self, lambda _: self._color())

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "select_cursor":
            return self.selected is not None and self.selected.run is not None
        return super().check_action(action, parameters)

    @property
    def selected(self) -> Outcome | None:
        """The run under the cursor."""
        return self._outcomes[self.cursor_row] if 0 <= self.cursor_row < len(self._outcomes) else None

    def show(self, sweep: Sweep, outcomes: Sequence[Outcome], best: tuple[int, Summary] | None) -> None:
        """`best` is the best trial so far."""
        selected = self.selected.job.key if self.selected else ""
        names = titles(_keys(sweep))
        heads = ["trial", "status", *names.values(), *map(analysis.title, _judged(sweep)), "time"]
        self._left = {"status", *(name for key, name in names.items() if settings()[key].kind not in (int, float))}
        if self.best_first:
            outcomes = sorted(outcomes, key=lambda one: _rank(sweep, one))
        rows = {one.job.key: _cells(sweep, one) for one in outcomes}
        star = heads.index(analysis.title(sweep.options.metric))
        for one in outcomes:
            cells = rows[one.job.key]
            if self._signs:
                cells[1] = f"{SIGNS[one.status]} {cells[1]}"
            if best is not None and one.job.trial == best[0]:
                cells[star] = f"{'★' if self._signs else '*'} {cells[star]}"
        self._outcomes = list(outcomes)
        if heads != self._heads or list(rows) != list(self._rows):
            self._build(heads, rows)
            if selected in rows:
                self.move_cursor(row=list(rows).index(selected), animate=False)
        else:
            for one in outcomes:
                before, cells = self._rows[one.job.key], rows[one.job.key]
                for place, cell in enumerate(cells):
                    if cell != before[place]:
                        self.update_cell(one.job.key, heads[place], self._text(one, place, cell), update_width=True)
        self._heads, self._rows = heads, rows

    def _build(self, heads: list[str], rows: dict[str, list[str]]) -> None:
        self.clear(columns=True)
        for head in heads:
            self.add_column(Text(head, justify="left" if head in self._left else "right"), key=head)
        self._heads = heads
        for one in self._outcomes:
            texts = [self._text(one, place, cell) for place, cell in enumerate(rows[one.job.key])]
            self.add_row(*texts, key=one.job.key)

    def _color(self) -> None:
        """Anew, by the theme in use."""
        for one in self._outcomes:
            key = one.job.key
            self.update_cell(key, "status", self._text(one, 1, self._rows[key][1]))

    def _text(self, one: Outcome, place: int, cell: str) -> Text:
        head = self._heads[place]
        color = self.app.theme_variables.get(COLORS.get(one.status, ""), "") if head == "status" else ""
        return Text(cell, style=color, justify="left" if head in self._left else "right")


def _judged(sweep: Sweep) -> tuple[str, str]:
    """The metrics that are shown: the sweep's own, and the test of the same weights."""
    return sweep.options.metric, analysis.test_of(sweep.options.metric)


def _keys(sweep: Sweep) -> list[str]:
    """The settings that its runs differ in."""
    return list(dict.fromkeys([*sweep.varying_keys, "training.seed"]))


def titles(keys: Sequence[str]) -> dict[str, str]:
    """As the table of runs has them, where no two are the same."""
    names = {key: columns()[key].title for key in keys}
    taken = list(names.values())
    return {key: name if taken.count(name) == 1 and name not in OWN else key for key, name in names.items()}


def _rank(sweep: Sweep, one: Outcome) -> tuple[bool, float]:
    """Runs without a value come last."""
    value = metric(one.state, sweep.options.metric)
    return value is None, 0.0 if value is None else -value if sweep.higher_is_better else value


def _cells(sweep: Sweep, one: Outcome) -> list[str]:
    state, values = one.state, {} if one.values is None else sweep.settings(one.values)
    values["training.seed"] = sweep.seed(one.values or {}, one.job.seed)
    texts = [format_value(values[key]) if key in values else units.UNKNOWN for key in _keys(sweep)]
    status = analysis.shown_status(one)
    if state and state.steps and status in ("running", "paused"):
        status = f"{status} {state.step / state.steps:.0%}"
    cells = [
        str(one.job.trial), status, *texts,
        *(analysis.shown(name, metric(state, name)) for name in _judged(sweep)),
        units.duration(state.seconds if state and state.step else None),
    ]  # fmt: skip
    return [plain(cell, 40) for cell in cells]
