"""Compare runs: which one is better, and why."""

from functools import partial
from time import monotonic
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import ContentSwitcher

from tuitrain.analysis.comparison import export as compare_export
from tuitrain.analysis.comparison.compare import Comparison, compare
from tuitrain.analysis.comparison.table import compare_table
from tuitrain.analysis.evaluation_tables import difference
from tuitrain.errors import ConfigError
from tuitrain.screens.compare.compared_runs import ComparedRuns
from tuitrain.screens.compare.overview import CompareOverview
from tuitrain.screens.export import EXPORT, Export, table_exports
from tuitrain.text import plain, utf8_locale
from tuitrain.widgets.charts.comparison import ComparisonCharts
from tuitrain.widgets.confusion.pair import ConfusionPair
from tuitrain.widgets.messages import AskValue, OpenRun
from tuitrain.widgets.panels.fixed_text import FixedText
from tuitrain.widgets.tables.compare_rows import Styles, styled_rows
from tuitrain.widgets.tables.compare_table import RunHead
from tuitrain.widgets.terminal.colors import theme_color
from tuitrain.widgets.terminal.footer import FittingFooter

CURVES_ONLY = ("all", "group", "threshold", "scroll_table")


class CompareScreen(ComparedRuns):
    """Show the curves, settings and results of several runs, and the confusion matrices of two of them."""

    CSS_PATH = "compare.tcss"
    TITLE = "Compare"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "select(1)", "run", key_display="↑↓", tooltip="Select the next run", id="compare.next"),
        Binding("up,k", "select(-1)", tooltip="Select the previous run", show=False, id="compare.previous"),
        Binding("tab", "select(1)", "run", tooltip="Select the next run", show=False, id="compare.tab"),
        Binding("shift+tab", "select(-1)", tooltip="Select the previous run", show=False, id="compare.shift_tab"),
        Binding("1", "page('overview')", "curves", tooltip="Curves, settings and results", id="compare.curves"),
        Binding("3", "page('confusion')", "confusion", tooltip="Confusion matrices", id="compare.confusion"),
        Binding("b", "baseline", "baseline", tooltip="Make the selected run the baseline", id="compare.baseline"),
        Binding(
            "T",
            "group",
            "seeds",
            tooltip="Group runs that differ only in the seed (mean ± sd)",
            id="compare.group",
        ),
        Binding("a", "all", "all", tooltip="Show all settings, or only those that differ", id="compare.all"),
        EXPORT,
        Binding("%", "threshold", tooltip="Set the accuracy to reach", show=False, id="compare.threshold"),
        Binding("enter", "open", tooltip="Open the selected run", show=False, id="compare.open"),
        Binding("pagedown", "scroll_table(10)", tooltip="Scroll the table down", show=False, id="compare.page_down"),
        Binding("pageup", "scroll_table(-10)", tooltip="Scroll the table up", show=False, id="compare.page_up"),
        Binding("escape", "app.pop_screen", "back", tooltip="Back", id="compare.back"),
    ]

    # Whether the table also shows the settings that do not differ.
    show_all = False
    # The validation accuracy to reach; None for 95 % of the best run's.
    threshold: float | None = None

    def compose(self) -> ComposeResult:
        yield FixedText(id="head")
        with ContentSwitcher(initial="overview"):
            yield CompareOverview(self._draw_text, id="overview")
            yield ConfusionPair(id="confusion")
        yield FittingFooter()

    def on_mount(self) -> None:
        self.app.theme_changed_signal.subscribe(self, lambda _: self.redraw())

    def redraw(self) -> None:
        self._drawn_at = monotonic()
        first = self.comparison is None
        self.comparison = compare(list(self.runs.values()), self.baseline, self.threshold)
        if first:
            self._avoid_baseline()
        self._draw_charts()
        self._draw_text()

    @property
    def _overview(self) -> CompareOverview:
        return self.query_one(CompareOverview)

    @property
    def _charts(self) -> ComparisonCharts:
        return self._overview.charts

    @property
    def _page(self) -> str | None:
        return self.query_one(ContentSwitcher).current

    def _draw_charts(self) -> None:
        if self._page == "overview":
            columns = self.columns
            self._charts.show(columns, columns[self.selected_column].id)

    def _draw_text(self) -> None:
        """Draw everything except the curves."""
        if self.comparison is None:
            return
        self.query_one("#head", FixedText).show(self._head())
        if self._page == "overview":
            self._draw_table(self.comparison)
        else:
            baseline, selected = self._pair
            self.query_one(ConfusionPair).show(self._tested(baseline), self._tested(selected), self._seeds_note())

    def _draw_table(self, comparison: Comparison) -> None:
        charts, columns = self._charts, self.columns
        heads = [RunHead(self._marker(column), column.name, self._color(column)) for column in columns]
        cursor = f"{charts.shown_metrics[0].title} at {charts.cursor_text}" if charts.cursor_text else ""
        ids = [column.ids for column in columns]
        p_values = None if self.grouped or self._reading else self._tests.p_values(self.baseline)
        table = styled_rows(
            compare_table(comparison, ids, p_values, show_all=self.show_all),
            ids,
            self._styles(),
            heading="settings" if self.show_all else "settings that differ",
            cursor=(cursor, charts.values() if cursor else {}),
        )
        self._overview.show_table(heads, table, self.selected_column)

    def _styles(self) -> Styles:
        names = ("foreground-muted", "success", "error", "warning")
        muted, good, bad, best = ("rgb({},{},{})".format(*theme_color(self.app, name)) for name in names)
        return Styles(muted, good, bad, best, "★" if utf8_locale() else "*")

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if not self.is_mounted:
            return True
        if action == "page":
            return self._page != parameters[0]
        if action in ("select", "baseline"):
            return len(self.columns) > 1
        return self._page == "overview" if action in CURVES_ONLY else True

    def action_select(self, offset: int) -> None:
        columns = self.columns
        self.selected = columns[(self.selected_column + offset) % len(columns)].id
        self._draw_charts()
        self._draw_text()

    def action_baseline(self) -> None:
        self.baseline = self.selected
        self.redraw()

    def action_all(self) -> None:
        self.show_all = not self.show_all
        self._draw_text()

    def action_group(self) -> None:
        groups = self.comparison.groups if self.comparison else ()
        if not self.grouped and all(len(group.ids) == 1 for group in groups):
            self.notify("No two of these runs differ only in training.seed", timeout=3)
            return
        self.grouped = not self.grouped
        self._avoid_baseline()
        self.redraw()

    def action_threshold(self) -> None:
        def answer(text: str) -> None:
            self.threshold = _accuracy(text)
            self.redraw()

        present = self.comparison.threshold if self.comparison else None
        value = f"{100 * present:.2f}" if present is not None else "90"
        title = "Validation accuracy to reach, in percent; empty for 95 % of the best"
        self.post_message(AskValue(title, value, _accuracy, answer))

    def exports(self) -> list[Export]:
        if self._page == "confusion":
            first, second = (self._tests.evaluation(id)[0] for id in self._pair)
            if first and second and first.classes == second.classes:
                matrix = table_exports("the difference", "difference", partial(difference, first, second))
                return [*matrix, self.picture_export("difference")]

        def text(format: compare_export.Format) -> str:
            assert self.comparison is not None
            tests = compare_export.mcnemar_tests(self.comparison, {id: run.folder for id, run in self.runs.items()})
            return compare_export.format_comparison(
                self.comparison, tests, format, show_all=self.show_all, grouped=self.grouped
            )

        return [
            Export("markdown", "the table, for a report", "comparison.md", lambda: text("markdown")),
            Export("csv", "one line per run or group, for pandas", "comparison.csv", lambda: text("csv")),
            Export("json", "everything, including tests and groups", "comparison.json", lambda: text("json")),
            self.picture_export("comparison"),
        ]

    def action_page(self, page: str) -> None:
        self.query_one(ContentSwitcher).current = page
        if page == "overview":
            self._charts.focus()
        else:
            self.query_one(ConfusionPair).focus_matrix()
        self._draw_charts()
        self._draw_text()
        self.refresh_bindings()

    def action_scroll_table(self, rows: int) -> None:
        overview = self._overview
        if overview.has_rows:
            target = self.selected_column + overview.runs.page * (1 if rows > 0 else -1)
            self.action_select(min(max(target, 0), len(self.columns) - 1) - self.selected_column)
        else:
            overview.columns.scroll_rows(rows)

    def action_open(self) -> None:
        self.post_message(OpenRun(self.runs[self.selected].folder))


def _accuracy(text: str) -> float | None:
    """Parse a percentage into a fraction; None if empty. Raises ConfigError."""
    number = text.strip().removesuffix("%").strip()
    if not number:
        return None
    try:
        value = float(number)
    except ValueError:
        value = -1.0
    if not 0 < value <= 100:
        raise ConfigError(f"{plain(text, 40)!r} must be a percentage above 0 and up to 100.", "Example: 97.5")
    return value / 100
