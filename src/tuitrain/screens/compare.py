"""Compare: which is better, and why?"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from time import monotonic
from types import MappingProxyType
from typing import ClassVar, Literal

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.content import Content
from textual.widgets import ContentSwitcher

from tuitrain.analysis import compare_export
from tuitrain.analysis.compare import Comparison, compare
from tuitrain.analysis.pairwise_tests import PairwiseTests
from tuitrain.analysis.table.markers import RunMarker, assign_markers
from tuitrain.errors import ConfigError
from tuitrain.runs.catalog.follow import follow
from tuitrain.runs.folder import RunFolder
from tuitrain.text import plain, utf8_locale
from tuitrain.widgets.charts.comparison import ComparisonCharts
from tuitrain.widgets.charts.series import RunSeries
from tuitrain.widgets.confusion.pair import ConfusionPair, TestedRun
from tuitrain.widgets.forms.export_comparison import ask_export
from tuitrain.widgets.messages import AskValue, OpenRun
from tuitrain.widgets.panels.fixed_text import FixedText
from tuitrain.widgets.tables.compare import ColumnHead, CompareTable
from tuitrain.widgets.tables.compare_rows import Styles, rows
from tuitrain.widgets.terminal import notifications
from tuitrain.widgets.terminal.colors import theme_color
from tuitrain.widgets.terminal.footer import FittingFooter
from tuitrain.widgets.terminal.refresh import PollingScreen

# Seconds that one look at the runs may take, all together, and between two while there is much to read.
BUDGET, PAUSE = 0.03, 0.005
# The charts grow with what was read so often, in seconds.
REDRAW = 0.5
# Narrower, the table is below the charts.
NARROW = 100
# Cells of the charts beside the table at least.
CHART = 40
ONLY_CURVES = ("all", "group", "threshold", "zoom", "grid", "scroll_table")
NAME = 24
Zoom = Literal["both", "charts", "table"]


class CompareScreen(PollingScreen):
    """Curves, settings and results of several runs, those that go on included."""

    CSS_PATH = "compare.tcss"
    TITLE = "Compare"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "select(1)", "run", key_display="↑↓", tooltip="The next run", id="compare.next"),
        Binding("up,k", "select(-1)", tooltip="The run before", show=False, id="compare.previous"),
        Binding("tab", "select(1)", "run", tooltip="The next run", show=False, id="compare.tab"),
        Binding("shift+tab", "select(-1)", tooltip="The run before", show=False, id="compare.shift_tab"),
        Binding("1", "page('overview')", "curves", tooltip="Curves, settings and results", id="compare.curves"),
        Binding("3", "page('confusion')", "confusion", tooltip="What each takes for what", id="compare.confusion"),
        Binding("b", "baseline", "baseline", tooltip="Compare all with the selected run", id="compare.baseline"),
        Binding("G", "group", "seeds", tooltip="Take runs that differ only in their seed together", id="compare.group"),
        Binding("a", "all", "all", tooltip="All settings, or those that differ", id="compare.all"),
        Binding("z", "zoom", "zoom", tooltip="The charts alone, the table alone, both", id="compare.zoom"),
        Binding("M", "grid", "grid", tooltip="Several metrics beside each other, or one", id="compare.grid"),
        Binding("E", "export", "export", tooltip="Write the comparison to a file", id="compare.export"),
        Binding("t", "threshold", tooltip="The accuracy whose epoch is shown", show=False, id="compare.threshold"),
        Binding("enter", "open", tooltip="The selected run alone", show=False, id="compare.open"),
        Binding("pagedown", "scroll_table(10)", tooltip="Down the table", show=False, id="compare.page_down"),
        Binding("pageup", "scroll_table(-10)", tooltip="Up the table", show=False, id="compare.page_up"),
        Binding("escape", "app.pop_screen", "runs", tooltip="Back", id="compare.back"),
    ]

    def __init__(
        self,
        folders: Sequence[RunFolder],
        runs_dir: Path,
        known: Mapping[str, RunMarker] = MappingProxyType({}),
        *,
        grouped: bool = False,
    ) -> None:
        """`known` are the identities that some of the runs have already."""
        super().__init__()
        self.runs_dir = runs_dir
        unique = {folder.id: folder for folder in folders}
        self.runs = {id: follow(folder, brief=True) for id, folder in unique.items()}
        self.identities = assign_markers(list(unique), known)
        self.grouped, self.everything = grouped, False
        self.zoom: Zoom = "both"
        self.threshold: float | None = None
        self.baseline = self.selected = next(iter(unique), "")
        if len(unique) > 1:
            self.selected = list(unique)[1]
        self.comparison: Comparison | None = None
        self._verdicts = PairwiseTests(self.runs)
        self._reading = False
        self._drawn_at = 0.0
        self._utf8 = utf8_locale()

    def compose(self) -> ComposeResult:
        yield FixedText(id="head")
        with ContentSwitcher(initial="overview"):
            with Container(id="overview"):
                yield ComparisonCharts(self._rest, id="charts")
                yield CompareTable(id="table")
            yield ConfusionPair(id="confusion")
        yield FittingFooter()

    def on_mount(self) -> None:
        self.query_one(ComparisonCharts).focus()
        self.app.theme_changed_signal.subscribe(self, lambda _: self._show())

    def on_resize(self) -> None:
        self.query_one("#overview").set_class(self.size.width < NARROW, "narrow")
        self._share_room()

    def on_screen_resume(self) -> None:
        notifications.set_title(self.app, f"{len(self.runs)} runs compared")

    def tick(self) -> None:
        if self._reading:
            return
        news = self._read()
        if news or self.comparison is None:
            self._show()

    def _read(self) -> bool:
        """Every run a little, until there is nothing new or the time is over; then it goes on after the keys pressed
        meanwhile. Whether anything was new."""
        until, news = monotonic() + BUDGET, False
        left = list(self.runs.values())
        while left and (not news or monotonic() < until):
            left = [run for run in left if run.poll(0)]
            news |= bool(left)
        self._reading = bool(left)
        if left:
            self.set_timer(PAUSE, self._read_on)
        return news

    def _read_on(self) -> None:
        if not self._shown:
            self._reading = False
            return
        self._read()
        if not self._reading or monotonic() - self._drawn_at > REDRAW:
            self._show()
        if not self._reading:
            self._warm()

    def _warm(self) -> None:
        """Between keys, what the first of each of them would have to wait for."""
        if self._shown and self.query_one(ComparisonCharts).prepare_next():
            self.set_timer(PAUSE, self._warm)

    @property
    def columns(self) -> list[RunSeries]:
        """What has a column and a colour: runs or groups, that of the baseline first."""
        if self.comparison is None:
            return []
        names = {run.id: plain(run.name, 60).strip() or plain(run.id, 60) for run in self.comparison.runs}
        drawn = [RunSeries(names[id], self.identities[id], [self.runs[id]]) for id in self.runs]
        if self.grouped:
            drawn = [
                RunSeries(
                    f"{plain(group.name, 60)} ×{len(group.ids)}" if len(group.ids) > 1 else names[group.ids[0]],
                    self.identities[group.ids[0]],
                    [self.runs[id] for id in group.ids],
                )
                for group in self.comparison.groups
            ]
        return sorted(drawn, key=lambda one: self.baseline not in one.ids)

    @property
    def selected_column(self) -> int:
        return next((place for place, one in enumerate(self.columns) if self.selected in one.ids), 0)

    def _select_another(self) -> None:
        """Than the baseline's column, where there is one."""
        if not self.selected_column and len(self.columns) > 1:
            self.selected = self.columns[1].id

    def _show(self) -> None:
        self._drawn_at = monotonic()
        if not self.runs or not self.is_mounted:
            return
        first = self.comparison is None
        self.comparison = compare(list(self.runs.values()), self.baseline, self.threshold)
        if first:
            self._select_another()
        self._charts()
        self._rest()

    def _charts(self) -> None:
        if self.query_one(ContentSwitcher).current == "overview":
            columns = self.columns
            self.query_one(ComparisonCharts).show(columns, columns[self.selected_column].id)

    def _rest(self) -> None:
        """All but the curves."""
        if self.comparison is None:
            return
        self.query_one("#head", FixedText).show(self._head())
        if self.query_one(ContentSwitcher).current == "overview":
            self._table(self.comparison)
        else:
            self.query_one(ConfusionPair).show(self._tested(self.baseline), self._tested(self.selected))

    def _table(self, comparison: Comparison) -> None:
        overlay, columns = self.query_one(ComparisonCharts), self.columns
        heads = [ColumnHead(self._marker(one), one.name, self._color(one)) for one in columns]
        cursor = f"{overlay.shown_metrics[0].title} at {overlay.cursor_text}" if overlay.cursor_text else ""
        table = rows(
            comparison,
            [one.ids for one in columns],
            {} if self.grouped or self._reading else self._verdicts.against(self.baseline),
            self._look(),
            everything=self.everything,
            cursor=(cursor, overlay.values() if cursor else {}),
        )
        self.query_one(CompareTable).show(heads, table, self.selected_column)
        self._share_room()

    def _share_room(self) -> None:
        """The table as wide as it needs to be; the charts have the rest, and some of it always."""
        table = self.query_one(CompareTable)
        beside = self.zoom == "both" and self.size.width >= NARROW
        width = min(table.needed, self.size.width - max(CHART, self.size.width // 3)) if beside else None
        if table.styles.width is None or (width or 0) != table.styles.width.value:
            table.styles.width = width or "1fr"

    def _head(self) -> Content:
        columns = self.columns
        baseline, selected = columns[0], columns[self.selected_column]
        what = f"{len(self.runs)} runs" + (
            f" in {len(columns)} group{'s' * (len(columns) != 1)}" if self.grouped else ""
        )
        parts = [Content.styled(what, "bold"), Content.assemble("baseline ", self._known_as(baseline))]
        if selected is not baseline:
            parts.append(Content.assemble("selected ", self._known_as(selected)))
        if self._reading:
            parts.append(Content("reading …"))
        elif any(run.state.active for run in self.runs.values()):
            parts.append(Content("live"))
        return Content(" · ").join(parts)

    def _known_as(self, one: RunSeries) -> Content:
        return Content.styled(f"{self._marker(one)} {one.name}", self._color(one))

    def _marker(self, one: RunSeries) -> str:
        return one.marker.marker if self._utf8 else one.marker.ascii

    def _color(self, one: RunSeries) -> str:
        return "rgb({},{},{})".format(*theme_color(self.app, f"series-{one.marker.number}"))

    def _look(self) -> Styles:
        names = ("foreground-muted", "success", "error", "warning")
        muted, good, bad, best = ("rgb({},{},{})".format(*theme_color(self.app, name)) for name in names)
        return Styles(muted, good, bad, best, "★" if self._utf8 else "*")

    def _tested(self, id: str) -> TestedRun:
        one = next(one for one in self.columns if id in one.ids)
        name = f"{self._marker(one)} {plain(self.runs[id].info.name, NAME) or plain(id, NAME)}"
        return TestedRun(name, *self._verdicts.evaluation(id))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if not self.is_mounted:
            return True
        current = self.query_one(ContentSwitcher).current
        if action == "page":
            return current != parameters[0]
        if action in ("select", "baseline"):
            return len(self.columns) > 1
        return current == "overview" if action in ONLY_CURVES else True

    def action_select(self, runs: int) -> None:
        columns = self.columns
        self.selected = columns[(self.selected_column + runs) % len(columns)].id
        self._charts()
        self._rest()

    def action_baseline(self) -> None:
        self.baseline = self.selected
        self._show()

    def action_all(self) -> None:
        self.everything = not self.everything
        self._rest()

    def action_group(self) -> None:
        groups = self.comparison.groups if self.comparison else ()
        if not self.grouped and all(len(group.ids) == 1 for group in groups):
            self.notify("No two of these runs differ only in training.seed.", timeout=3)
            return
        self.grouped = not self.grouped
        self._select_another()
        self._show()

    def action_grid(self) -> None:
        self.query_one(ComparisonCharts).action_grid()

    def action_threshold(self) -> None:
        present = self.comparison.threshold if self.comparison else None

        def answer(text: str | None) -> None:
            if text is not None:
                self.threshold = _accuracy(text)
                self._show()

        text = f"{100 * present:.2f}" if present is not None else "90"
        self.post_message(AskValue("Validation accuracy to reach, in per cent; empty: what all reached", text,
                                   _accuracy, answer))  # fmt: skip

    def action_export(self) -> None:
        def text(format: compare_export.Format) -> str:
            assert self.comparison is not None
            keys = compare_export.setting_keys(self.comparison, everything=self.everything)
            tests = compare_export.mcnemar_tests(self.comparison, {id: run.folder for id, run in self.runs.items()})
            return compare_export.format_comparison(self.comparison, keys, tests, format)

        self.post_message(ask_export(text, self.post_message, lambda said: self.notify(said, timeout=3, markup=False)))

    def action_zoom(self) -> None:
        order: tuple[Zoom, ...] = ("both", "charts", "table")
        self.zoom = order[(order.index(self.zoom) + 1) % len(order)]
        self.query_one(ComparisonCharts).display = self.zoom != "table"
        self.query_one(CompareTable).display = self.zoom != "charts"
        self._share_room()

    def action_page(self, page: str) -> None:
        self.query_one(ContentSwitcher).current = page
        if page == "overview":
            self.query_one(ComparisonCharts).focus()
        else:
            self.query_one(ConfusionPair).focus_matrix()
        self._charts()
        self._rest()
        self.refresh_bindings()

    def action_scroll_table(self, rows: int) -> None:
        self.query_one(CompareTable).scroll_rows(rows)

    def action_open(self) -> None:
        self.post_message(OpenRun(self.runs[self.selected].folder))


def _accuracy(text: str) -> float | None:
    """The fraction that a percentage stands for. Raises ConfigError."""
    word = text.strip().removesuffix("%").strip()
    if not word:
        return None
    try:
        value = float(word)
    except ValueError:
        value = -1.0
    if not 0 < value <= 100:
        raise ConfigError(f"{plain(text, 40)!r} is not a percentage above 0 and up to 100.", "Try 97.5.")
    return value / 100
