"""Show the progress of a sweep, its runs, and how much each setting matters."""

import time
from collections import Counter
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, VerticalScroll
from textual.content import Content
from textual.widgets import Static

from tuitrain.analysis import sweep as analysis
from tuitrain.analysis import units
from tuitrain.analysis.learning_curve import is_learning_curve, learning_curve, read_infos, sentence, table
from tuitrain.analysis.table.groups import MeanSD
from tuitrain.analysis.table.markers import assign_markers
from tuitrain.analysis.text_tables import markdown
from tuitrain.errors import RunError
from tuitrain.hosts.slurm.watch import SlurmWatch
from tuitrain.hosts.sweeps.background import last_error
from tuitrain.runs.records import RunInfo
from tuitrain.runs.sweeps.folder import SweepFolder
from tuitrain.runs.sweeps.index import SweepIndex, sweep_status
from tuitrain.screens.export import EXPORT, Export, table_exports
from tuitrain.screens.sweep.actions import SWEEP_ACTIONS, SweepActions
from tuitrain.text import counted, plain
from tuitrain.widgets.messages import OpenRun
from tuitrain.widgets.panels.fixed_text import FixedText
from tuitrain.widgets.panels.learning_curve import LearningCurvePanel
from tuitrain.widgets.panels.progress_bars import progress
from tuitrain.widgets.panels.sweep_effects import effects_text, heat_map_text, map_settings
from tuitrain.widgets.tables.sweep import SweepTable
from tuitrain.widgets.terminal import notifications
from tuitrain.widgets.terminal.colors import MUTED, STATUS_STYLES
from tuitrain.widgets.terminal.footer import FittingFooter
from tuitrain.widgets.terminal.keys import idle_seconds

PAGES = ("runs", "map", "effects")


class SweepScreen(SweepActions):
    """Follow a sweep by reading its folder. Closing this screen does not affect the sweep."""

    CSS_PATH = "sweep.tcss"
    TITLE = "Sweep"
    BINDINGS: ClassVar[list[BindingType]] = [
        *(
            Binding(str(number), f"page('{page}')", page, tooltip=f"Show {page}", id=f"sweep.{page}")
            for number, page in enumerate(PAGES, 1)
        ),
        *SWEEP_ACTIONS,
        Binding("X", "turn", "axes", tooltip="Next settings for the map's rows and columns", id="sweep.axes"),
        Binding("o", "order", "sort", tooltip="Sort by result or by queue order", id="sweep.order"),
        Binding(
            "m", "value", "metric", tooltip="Show the metric or the test score in map and effects", id="sweep.value"
        ),
        EXPORT,
        Binding("escape", "app.pop_screen", "back", tooltip="Back (the sweep keeps running)", id="sweep.back"),
    ]

    def __init__(self, folder: SweepFolder) -> None:
        super().__init__(folder)
        self._index = SweepIndex(folder)
        self._slurm = SlurmWatch()
        self._page = PAGES[0]
        self._turns = 0
        self._show_test = False
        # The records of finished runs, for a learning curve.
        self._infos: dict[str, RunInfo] = {}

    def compose(self) -> ComposeResult:
        yield FixedText(id="head")
        yield FixedText(id="progress")
        yield FixedText(id="best")
        yield FixedText(id="reason")
        yield SweepTable()
        with Container(id="tables"):
            with VerticalScroll(id="map"):
                yield Static(id="heat")
                yield LearningCurvePanel()
            with VerticalScroll(id="effects"):
                yield Static(id="values")
        yield FittingFooter()

    @property
    def wide(self) -> bool:
        return self.size.width >= 100 and self.size.height >= 30

    def on_resize(self) -> None:
        self._arrange_pages()
        if self.outcomes:
            self._show()

    def _arrange_pages(self) -> None:
        self.set_class(self.wide, "wide")
        for page, selector in zip(PAGES, ("SweepTable", "#map", "#effects"), strict=True):
            self.query_one(selector).display = self.wide or page == self._page
        self.query_one("#tables").display = self.wide or self._page != "runs"

    def tick(self) -> None:
        before = self.status
        try:
            self.sweep, self.outcomes = self.folder.sweep(), self._index.refresh()
            self.status = sweep_status(self.folder, self.outcomes)
        except RunError as error:
            self.status = ""
            self.query_one("#head", FixedText).show(Content(str(error)))
            self.refresh_bindings()
            return
        if before == "running" and self.status == "stopped" and (problem := last_error(self.folder)):
            self.notify(problem, severity="error", markup=False)
        if self.status == "queued":
            self._slurm.look(lambda: [self.folder], idle_seconds(self.app))
        self._show()

    def _show(self) -> None:
        done = analysis.fraction_done(self.sweep, self.outcomes)
        notifications.set_title(self.app, f"{100 * done:.0f} % {self.sweep.name} · {self.status}")
        width = max(20, self.size.width - 2)
        self.query_one("#head", FixedText).show(self._head())
        self.query_one("#progress", FixedText).show(progress("runs", done, width))
        best = analysis.best(analysis.results(self.sweep, self.outcomes), self.sweep.higher_is_better)
        self.query_one("#best", FixedText).show(self._best_line(best))
        self.query_one(SweepTable).show(self.sweep, self.outcomes, best, self.markers)
        self._show_reason()
        self._show_tables()
        self.refresh_bindings()

    def _show_reason(self) -> None:
        """Show why the run under the cursor failed. If every run failed, show at least why the first one did."""
        outcome = self.selected
        if self._all_failed and (outcome is None or not analysis.reason(outcome)):
            outcome = self.outcomes[0]
        text = plain(analysis.reason(outcome)) if outcome is not None else ""
        line = self.query_one("#reason", FixedText)
        line.display = bool(text)
        line.show(Content.styled(f"trial {outcome.job.trial}: {text}" if outcome else "", "$warning"))

    def _head(self) -> Content:
        counts = Counter(outcome.status for outcome in self.outcomes)
        ended = sum(outcome.done for outcome in self.outcomes)
        parts = [f"{ended} of {counted(len(self.outcomes), 'run')}"]
        parts += [f"{counts[status]} {status}" for status in ("running", "failed", "interrupted") if counts[status]]
        left = analysis.seconds_left(self.sweep, self.outcomes) if self.status == "running" else None
        if left is not None:
            parts.append(f"ends {units.clock(time.time() + left)} (in {units.duration(left)})")
        if (deadline := self._deadline) is not None and (left is None or deadline < time.time() + left):
            parts.append(f"starts no run after {units.clock(deadline)}")
        if self.status == "queued" and (submission := self.folder.submission()):
            parts.append(plain(f"Slurm job {submission.job}: {submission.reason}", 120))
        name = plain(self.sweep.name, self.size.width // 3)
        return Content.assemble(
            (name, "bold"), " · ", (self.status, "$error" if self._all_failed else STATUS_STYLES.get(self.status, "")),
            (f" · {' · '.join(parts)}", MUTED),
        )  # fmt: skip

    @property
    def _all_failed(self) -> bool:
        return bool(self.outcomes) and all(outcome.status == "failed" for outcome in self.outcomes)

    @property
    def _deadline(self) -> float | None:
        """The time after which no worker starts another run, or None if there is no limit or no worker."""
        minutes = self.sweep.options.max_minutes
        if minutes is None or self.status != "running":
            return None
        return max((session.began + 60 * minutes for session in self.folder.sessions()), default=None)

    def _best_line(self, best: tuple[int, MeanSD] | None) -> Content:
        metric = self.sweep.objective
        title = analysis.best_title(self.sweep)
        if best is None:
            text = "no trial has a score" if self.status == "finished" else "no finished trial yet"
            return Content.styled(f"best trial by {title}: {text}", MUTED)
        trial, score = best
        values = next(
            outcome.values
            for outcome in self.outcomes
            if outcome.job.trial == trial and outcome.values is not None
        )  # fmt: skip
        equal = analysis.ties(analysis.results(self.sweep, self.outcomes), trial)
        tie = f" · tied with trial {', '.join(map(str, equal[:3]))}" if equal else ""
        sd = f" ± {analysis.format_metric(metric, score.sd)}" if score.sd is not None else ""
        return Content.assemble(
            f"best trial {trial}", (f": {title} ", MUTED),
            (f"{analysis.format_metric(metric, score.mean)}{sd}", "bold"),
            (f" (n = {score.n}) {analysis.describe_values(self.sweep.used(values))}{tie}", MUTED),
        )  # fmt: skip

    def _show_tables(self) -> None:
        """Show the map and the effects of the grid's trials. Added trials with other settings distort the means."""
        sweep = self.sweep
        metric = analysis.test_metric(sweep.objective) if self._show_test else sweep.objective
        title = analysis.column_title(sweep, metric)
        keys = list(sweep.values)
        grid = (outcome for outcome in self.outcomes if set(outcome.values or ()) == set(keys))
        results = analysis.results(sweep, grid, metric)
        settings = map_settings(keys, self._turns)
        heat = Content.styled("The map needs at least two settings that vary", MUTED)
        if settings is not None:
            width = (self.size.width // 2 if self.wide else self.size.width) - 3
            higher = not metric.endswith("loss")
            heat = heat_map_text(analysis.heat_map(results, *settings), *settings, metric, title, higher, width)
        has_curve = is_learning_curve(sweep)
        self.query_one("#heat").display = not has_curve
        self.query_one(LearningCurvePanel).display = has_curve
        if has_curve:
            curve = learning_curve(sweep, self.outcomes, read_infos(self.outcomes, self._infos))
            self.query_one(LearningCurvePanel).show(curve)
            heat = Content(f"{markdown(table(curve))}\n{sentence(curve)}")
        self.query_one("#heat", Static).update(heat)
        effects = effects_text(results, keys, metric, title, sweep.higher_is_better)
        self.query_one("#values", Static).update(effects)

    def exports(self) -> list[Export]:
        table = self.query_one(SweepTable)
        map_export = Export("map", "map and effects as text", "sweep.txt", self._tables_text)
        return [*table_exports("the runs", "sweep", lambda: table.lines), map_export, self.picture_export("sweep")]

    def _tables_text(self) -> str:
        heat, effects = (str(self.query_one(id, Static).content) for id in ("#heat", "#values"))
        return f"{heat}\n\n{effects}\n"

    def on_data_table_row_selected(self) -> None:
        outcome = self.selected
        if outcome is not None and outcome.run is not None:
            self.post_message(OpenRun(outcome.run))

    def on_data_table_row_highlighted(self) -> None:
        self._show_reason()
        self.refresh_bindings()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "page":
            return not self.wide and self._page != parameters[0]
        if action == "order":
            return self._page_visible("runs")
        if action == "turn":
            return len(self.sweep.values) > 1 and self._page_visible("map")
        if action == "value":
            return self._page_visible("map") or self._page_visible("effects")
        return super().check_action(action, parameters)

    def _page_visible(self, page: str) -> bool:
        return self.wide or self._page == page

    def action_mark(self) -> None:
        if self.selected is not None and self.selected.run is not None:
            id = self.selected.run.id
            ids = [other for other in self.markers if other != id] + [id] * (id not in self.markers)
            self.markers = assign_markers(ids, self.markers)
            self.query_one(SweepTable).action_cursor_down()
            self._show()

    def action_page(self, page: str) -> None:
        self._page = page
        self._arrange_pages()
        self.query_one("SweepTable" if page == "runs" else f"#{page}").focus()
        self._show()

    def action_turn(self) -> None:
        self._turns += 1
        self._show_tables()

    def action_order(self) -> None:
        table = self.query_one(SweepTable)
        table.best_first = not table.best_first
        self._show()

    def action_value(self) -> None:
        self._show_test = not self._show_test
        self._show_tables()
