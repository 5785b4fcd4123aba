"""The run under the cursor: its curves or those of the marked runs, its result, settings and notes."""

from collections.abc import Mapping, Sequence
from math import log, nan

from textual.app import ComposeResult
from textual.containers import Container
from textual.content import Content

from tuitrain.analysis import units
from tuitrain.analysis.comparison.compare import compare
from tuitrain.analysis.curves import RunSeries
from tuitrain.analysis.table.group_rows import GroupRow, members, samples
from tuitrain.analysis.table.markers import RunMarker, assign_markers
from tuitrain.runs.catalog.follow import follow
from tuitrain.runs.catalog.listing import Entry
from tuitrain.runs.follower import Follower
from tuitrain.text import plain, utf8_locale
from tuitrain.widgets.charts.comparison import ComparisonCharts
from tuitrain.widgets.charts.run_charts import LossAccuracyCharts
from tuitrain.widgets.charts.sparkline import sparkline
from tuitrain.widgets.panels import run_summary
from tuitrain.widgets.panels.fixed_text import FixedText

# Seconds that one poll may read.
BUDGET = 0.015
# The number of runs whose curves are drawn.
MAX_CURVES = 16


class RunDetail(Container):
    """Show a run and follow it, reading in small slices. With the class `roomy` it has charts, otherwise sparklines."""

    DEFAULT_CSS = """
    RunDetail {
        & FixedText { height: 3; padding: 0 1; color: $text-muted; text-wrap: nowrap; text-overflow: ellipsis; }
        & ChartGroup { display: none; }
        &.roomy.single LossAccuracyCharts, &.roomy.several ComparisonCharts { display: block; }
    }
    """

    def __init__(self) -> None:
        super().__init__()
        self._entry: Entry | None = None
        self._marked: Sequence[Entry] = ()
        self._markers: Mapping[str, RunMarker] = {}
        self._grouped = False
        # What the run waits for, if it has not started.
        self.waits = ""
        self._runs: dict[str, Follower] = {}
        self._utf8 = utf8_locale()
        self._single, self._several = LossAccuracyCharts(), ComparisonCharts()
        for charts in (self._single, self._several):
            charts.can_focus = False

    def compose(self) -> ComposeResult:
        yield FixedText()
        yield self._single
        yield self._several

    def watch_run(
        self, entry: Entry | None, marked: Sequence[Entry], markers: Mapping[str, RunMarker], *, grouped: bool
    ) -> bool:
        """Show a run and how it differs from the marked runs. Return whether other curves are shown than before; `poll`
        reads them."""
        before = (list(self._runs), self._grouped)
        self._entry, self._marked, self._markers, self._grouped = entry, marked, markers, grouped
        shown = {run.folder.id: run for run in self._curves()}
        self._runs = {id: self._runs.get(id) or follow(run.folder, brief=True) for id, run in shown.items()}
        self._draw_text()
        return before != (list(self._runs), grouped)

    def _curves(self) -> Sequence[Entry]:
        """Return the runs whose curves are shown: the marked ones, or those of the row under the cursor."""
        if not self.has_class("roomy"):
            return members(self._entry)[:1] if self._entry and self._entry.status != "damaged" else []
        runs = self._marked if len(self._marked) > 1 else samples(members(self._entry)) if self._entry else []
        return [run for run in runs if run.status != "damaged"][:MAX_CURVES]

    def poll(self) -> bool:
        """Read the next slice of each run; return whether there may be more."""
        news = [run.poll(BUDGET / len(self._runs)) for run in self._runs.values()]
        if any(news):
            self._draw_text()
        if self.has_class("roomy"):
            self.draw_charts()
        return any(news)

    def on_resize(self) -> None:
        self._draw_text()

    def _draw_text(self) -> None:
        entry, text = self._entry, self.query_one(FixedText)
        if entry is None:
            self.border_title = ""
            text.show(Content(""))
            return
        marker = self._markers.get(entry.folder.id)
        sign = (marker.marker if self._utf8 else marker.ascii) if marker else ""
        self.border_title = Content.assemble(
            (f"{sign} " if sign else "", f"$series-{marker.number}" if marker else ""),
            (plain(entry.info.name, 40), "$foreground"),
            f" · {_title(entry)}",
        )
        first = run_summary.result(entry) if self.has_class("roomy") else self._sparklines(entry)
        if self.waits:
            first = Content.styled(plain(self.waits), "$foreground")
        lines = [first, run_summary.settings(entry, self._marked), run_summary.notes(entry)]
        text.show(Content("\n").join(lines))

    def draw_charts(self) -> None:
        """Draw the curves that have been read."""
        several = len(self._runs) > 1
        self.set_class(not several, "single")
        self.set_class(several, "several")
        if several:
            grouped = self._grouped or isinstance(self._entry, GroupRow)
            self._several.show(self._series(grouped=grouped), self._entry.folder.id if self._entry else "")
        elif self._runs:
            self._single.show(next(iter(self._runs.values())))

    def _series(self, *, grouped: bool) -> list[RunSeries]:
        groups = compare(list(self._runs.values())).columns(grouped=grouped)
        markers = assign_markers([group.ids[0] for group in groups], self._markers)
        return [RunSeries(group.title, markers[group.ids[0]], [self._runs[id] for id in group.ids]) for group in groups]

    def _sparklines(self, entry: Entry) -> Content:
        run = self._runs.get(entry.folder.id)
        if run is None:
            return run_summary.result(entry)
        accuracy, name = run.evaluations["validation"].only("accuracy")["accuracy"], "val accuracy"
        if not accuracy:
            accuracy, name = run.train.only("accuracy")["accuracy"], "train accuracy"
        loss = run.train.only("loss")["loss"]
        room = max(4, min(40, (self.size.width - len(name) - 36) // 2))
        parts: list[Content | tuple[str, str] | str] = []
        # The loss falls quickly at first; a log scale also shows its later course.
        log_loss = [log(value) if value > 0 else nan for value in loss]
        for title, values, drawn, show in (
            (name, accuracy, accuracy, units.percent),
            ("train loss", loss, log_loss, units.loss),
        ):
            if values:
                line = sparkline(drawn, room, braille=self._utf8)
                parts += [f"{title} ", (line, "$accent"), (f" {show(values[-1])}", "$foreground"), "   "]
        return Content.assemble(*parts)


def _title(entry: Entry) -> str:
    if isinstance(entry, GroupRow):
        return f"{len(entry.runs)} runs that differ only in their seed; the first is {plain(entry.folder.id, 80)}"
    return plain(entry.folder.id, 80)
