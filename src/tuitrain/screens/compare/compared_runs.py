"""Read, group and label the runs of a comparison."""

from collections.abc import Mapping, Sequence
from time import monotonic

from textual.content import Content

from tuitrain.analysis import units
from tuitrain.analysis.comparison.compare import Comparison
from tuitrain.analysis.comparison.pairwise_tests import PairwiseTests
from tuitrain.analysis.curves import RunSeries
from tuitrain.analysis.table.markers import RunMarker, assign_markers
from tuitrain.runs.catalog.follow import follow
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.records import ACTIVE
from tuitrain.screens.export import ExportScreen
from tuitrain.text import counted, utf8_locale
from tuitrain.widgets.charts.comparison import ComparisonCharts
from tuitrain.widgets.confusion.pair import TestedRun
from tuitrain.widgets.terminal import notifications
from tuitrain.widgets.terminal.colors import theme_color

# Seconds that one slice of reading may take, and the pause between two slices.
BUDGET, PAUSE = 0.03, 0.005
# Seconds between two redraws while reading.
REDRAW = 0.5


class ComparedRuns(ExportScreen):
    """Read runs and compare them, or their seed groups if `grouped`. `baseline` and `selected` are run ids."""

    def __init__(self, folders: Sequence[RunFolder], markers: Mapping[str, RunMarker], *, grouped: bool) -> None:
        """`markers` are those that another screen already shows."""
        super().__init__()
        unique = {folder.id: folder for folder in folders}
        self.runs = {id: follow(folder, brief=True) for id, folder in unique.items()}
        self.markers = assign_markers(list(unique), markers)
        self.grouped = grouped
        self.baseline = self.selected = next(iter(unique))
        self.comparison: Comparison | None = None
        self._tests = PairwiseTests(self.runs)
        self._reading = False
        self._drawn_at = 0.0

    def redraw(self) -> None:
        raise NotImplementedError

    def reported(self) -> list[RunFolder]:
        return [self.runs[id].folder for id in sorted(self.runs, key=lambda id: id != self.baseline)]

    def tick(self) -> None:
        notifications.set_title(self.app, f"comparing {len(self.runs)} runs")
        if not self._reading and (self._read() or self.comparison is None):
            self.redraw()

    def _read(self) -> bool:
        """Read all runs in turn until the budget is used up, and schedule the rest after pending keys. Return whether
        anything was new."""
        deadline, news = monotonic() + BUDGET, False
        unread = list(self.runs.values())
        while unread and (not news or monotonic() < deadline):
            unread = [run for run in unread if run.poll(0)]
            news |= bool(unread)
        self._reading = bool(unread)
        if unread:
            self.set_timer(PAUSE, self._read_next_slice)
        return news

    def _read_next_slice(self) -> None:
        if not self._shown:
            self._reading = False
            return
        self._read()
        if not self._reading or monotonic() - self._drawn_at > REDRAW:
            self.redraw()
        if not self._reading:
            self._prepare()

    def _prepare(self) -> None:
        if self._shown and self.query_one(ComparisonCharts).prepare_next():
            self.set_timer(PAUSE, self._prepare)

    @property
    def columns(self) -> list[RunSeries]:
        """The runs or seed groups, the baseline's first."""
        if self.comparison is None:
            return []
        markers = self.markers
        if self.grouped:
            # Few groups get distinct colors, also if the markers of their runs are similar.
            markers = assign_markers([group.ids[0] for group in self.comparison.groups], markers)
        return [
            RunSeries(group.title, markers[group.ids[0]], [self.runs[id] for id in group.ids], group.repeats)
            for group in self.comparison.columns(grouped=self.grouped)
        ]

    @property
    def selected_column(self) -> int:
        return next((index for index, column in enumerate(self.columns) if self.selected in column), 0)

    def _avoid_baseline(self) -> None:
        """If the baseline is selected, select the next column instead."""
        if not self.selected_column and len(self.columns) > 1:
            self.selected = self.columns[1].id

    def _head(self) -> Content:
        columns = self.columns
        baseline, selected = columns[0], columns[self.selected_column]
        count = f"{len(self.runs)} runs"
        if self.grouped:
            count += f" in {counted(len(columns), 'group')}"
            if repeats := sum(len(column.repeats) for column in columns):
                count += f", {counted(repeats, 'repeated seed')} left out"
        parts = [Content.styled(count, "bold"), Content.assemble("baseline ", self._label(baseline))]
        if selected is not baseline:
            parts.append(Content.assemble("selected ", self._label(selected)))
        if self._reading:
            parts.append(Content("reading …"))
        elif any(run.status in ACTIVE for run in self.runs.values()):
            parts.append(Content("live"))
        return Content(" · ").join(parts)

    def _label(self, series: RunSeries) -> Content:
        return Content.styled(f"{self._marker(series)} {series.name}", self._color(series))

    def _marker(self, series: RunSeries) -> str:
        return series.marker.marker if utf8_locale() else series.marker.ascii

    def _color(self, series: RunSeries) -> str:
        return "rgb({},{},{})".format(*theme_color(self.app, f"series-{series.marker.number}"))

    @property
    def _pair(self) -> tuple[str, str]:
        """The ids of the two runs whose confusion matrices are shown; of groups, with the same seed if possible."""
        first, second = self.columns[0], self.columns[self.selected_column]
        if not self.grouped:
            return first.id, second.id
        ids = {(run.config.training.seed, run.config.data.fold): run.folder.id for run in reversed(second.runs)}
        pairs = ((run.folder.id, ids.get((run.config.training.seed, run.config.data.fold))) for run in first.runs)
        return next(((one, other) for one, other in pairs if other), (first.id, second.id))

    def _seeds_note(self) -> str:
        """Return the means of two groups, of which the confusion matrices show a single seed."""
        first, second = self.columns[0], self.columns[self.selected_column]
        if self.comparison is None or not self.grouped or first is second or len(first.ids) + len(second.ids) == 2:
            return ""
        means = [self.comparison.mean_sd(column.ids, "best_weights_test_accuracy") for column in (first, second)]
        texts = [f"{units.percent(mean.mean)} ± {100 * (mean.sd or 0):.2f} (n={mean.n})" for mean in means if mean]
        return f"The matrices show one seed of each group; best test over all seeds: {' and '.join(texts)}."

    def _tested(self, id: str) -> TestedRun:
        assert self.comparison is not None
        series = next(column for column in self.columns if id in column)
        name = self.comparison.run(id).label
        if self.grouped:
            group = next(group for group in self.comparison.groups if id in group.all_ids)
            config = self.runs[id].config
            fold = f" fold {config.data.fold}" if config.data.fold else ""
            seed = f" seed {config.training.seed}{fold}" if len(group.all_ids) > 1 else ""
            name = f"{group.name}{seed}"
        return TestedRun(f"{self._marker(series)} {name}", *self._tests.evaluation(id))
