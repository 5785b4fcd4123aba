"""Show the curves of a comparison, and a table of settings and results."""

from collections.abc import Callable, Sequence
from typing import ClassVar, Literal

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container

from tuitrain.analysis.comparison.compare import MAX_COLUMNS
from tuitrain.widgets.charts.comparison import ComparisonCharts
from tuitrain.widgets.tables.compare_columns import CompareColumns
from tuitrain.widgets.tables.compare_runs import CompareRuns
from tuitrain.widgets.tables.compare_table import CompareTable, RunHead, TableRow

# The width from which a table of columns is beside the charts, and the minimum width of the charts then.
WIDE, MIN_CHART_WIDTH = 100, 40
Zoom = Literal["both", "charts", "table"]


class CompareOverview(Container):
    """Show up to MAX_COLUMNS runs as columns of the table, beside the charts if there is room. More runs are rows below
    the charts, which keep at least half of the height."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("z", "zoom", "zoom", tooltip="Show only the charts, only the table, or both", id="compare.zoom"),
        Binding("M", "grid", "grid", tooltip="Show one metric or several", id="compare.grid"),
        Binding("greater_than_sign", "scroll_columns(1)", "columns", key_display="<>", tooltip="Scroll the table right",
                id="compare.right"),
        Binding("less_than_sign", "scroll_columns(-1)", tooltip="Scroll the table left", show=False,
                id="compare.left"),
    ]  # fmt: skip
    DEFAULT_CSS = """
    CompareOverview {
        layout: horizontal;
        & CompareColumns { width: 1.15fr; }
        &.stacked { layout: vertical; }
        &.stacked CompareColumns { width: 1fr; height: 1fr; }
        &.stacked ComparisonCharts { width: 1fr; height: 1.1fr; }
    }
    """

    def __init__(self, changed: Callable[[], None], *, id: str | None = None) -> None:
        """`changed` is called when the charts show another metric, axis or cursor."""
        super().__init__(id=id)
        self.charts = ComparisonCharts(changed, id="charts")
        self.columns, self.runs = CompareColumns(), CompareRuns()
        self.zoom: Zoom = "both"
        self._count = 0

    def compose(self) -> ComposeResult:
        yield from (self.charts, self.columns, self.runs)

    def on_resize(self) -> None:
        self._arrange()

    @property
    def has_rows(self) -> bool:
        """Whether the table has one row per run."""
        return self._count > MAX_COLUMNS

    @property
    def table(self) -> CompareTable:
        return self.runs if self.has_rows else self.columns

    def show_table(self, heads: Sequence[RunHead], rows: Sequence[TableRow], selected: int) -> None:
        self._count = len(heads)
        self.table.show(heads, rows, selected)
        self._arrange()

    def _arrange(self) -> None:
        """Give the table the size that it needs, but leave room for the charts."""
        self.charts.display = self.zoom != "table"
        for table in (self.columns, self.runs):
            table.display = self.zoom != "charts" and table is self.table
        self.set_class(self.size.width < WIDE or self.has_rows, "stacked")
        beside = self.zoom == "both" and self.size.width >= WIDE
        room = self.size.width - max(MIN_CHART_WIDTH, self.size.width // 3)
        width = min(self.columns.preferred_width, room) if beside else None
        if self.columns.styles.width is None or (width or 0) != self.columns.styles.width.value:
            self.columns.styles.width = width or "1fr"
        self.runs.styles.max_height = self.size.height // 2 if self.zoom == "both" else None

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        return self.has_rows if action == "scroll_columns" else True

    def action_zoom(self) -> None:
        order: tuple[Zoom, ...] = ("both", "charts", "table")
        self.zoom = order[(order.index(self.zoom) + 1) % len(order)]
        self._arrange()

    def action_grid(self) -> None:
        self.charts.action_grid()

    def action_scroll_columns(self, columns: int) -> None:
        self.runs.scroll_columns(columns)
