"""Show what a network has learned, and where it fails."""

from pathlib import Path
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import ContentSwitcher, DataTable, Log, Static

from tuitrain.analysis import evaluation_tables
from tuitrain.analysis.evaluations import read_evaluations
from tuitrain.config.data.datasets import data_folder
from tuitrain.hosts.explain.process import ExplainProcess
from tuitrain.hosts.suspects.process import SuspectsProcess
from tuitrain.runs.catalog.follow import follow
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.records import Evaluation
from tuitrain.screens.export import Export
from tuitrain.screens.results import about
from tuitrain.screens.results.actions import MORE_ACTIONS, RUN_ACTIONS, RunActions
from tuitrain.screens.results.confusion_page import ConfusionPage
from tuitrain.screens.results.explanation import ExplanationScreen
from tuitrain.screens.results.export import page_exports
from tuitrain.screens.results.metrics_page import MetricsPage
from tuitrain.screens.results.result_panel import KEY, ResultPanel
from tuitrain.screens.results.suspects import SuspectsScreen
from tuitrain.screens.results.tabs import PAGES, tab_line
from tuitrain.text import plain
from tuitrain.widgets.charts.run_charts import ChartPair, GradientCharts, LossAccuracyCharts, UnitCharts
from tuitrain.widgets.confusion.matrix import ConfusionMatrix
from tuitrain.widgets.confusion.samples import Samples
from tuitrain.widgets.panels import run_report
from tuitrain.widgets.panels.fixed_text import FixedText
from tuitrain.widgets.terminal.colors import MUTED
from tuitrain.widgets.terminal.footer import FittingFooter
from tuitrain.widgets.terminal.refresh import BUDGET

# The width from which the line below the images also describes the evaluation.
WIDE = 100
FIRST = "summary"


class ResultsScreen(RunActions):
    """The results of a run on several pages, updated while the run is active."""

    CSS_PATH = "results.tcss"
    TITLE = "Run"
    BINDINGS: ClassVar[list[BindingType]] = [
        *(
            Binding(key, f"page('{page}')", tooltip=page.capitalize(), show=False, id=f"run.{page}")
            for page, key in PAGES.items()
            if page != "metrics"
        ),
        Binding("m", "page('metrics')", "metrics", tooltip="Metrics, calibration and threshold", id="run.metrics"),
        Binding("enter", "images", "images", tooltip="Show the images of this cell", id="run.images"),
        Binding("W", "explain", "why", tooltip="Explain the prediction for this image", id="run.explain"),
        Binding("ctrl+y", "copy_path", "copy path", tooltip="Copy the path of the image", id="run.path"),
        Binding("a", "all", "all", tooltip="Show the worst predictions of all cells", id="run.all"),
        Binding("tab", "turn(1)", "next page", tooltip="Next page", id="run.next"),
        Binding("shift+tab", "turn(-1)", tooltip="Previous page", show=False, id="run.previous"),
        Binding(
            "w", "evaluation", "evaluation", tooltip="Test or validation, best or last weights", id="run.evaluation"
        ),
        *RUN_ACTIONS,
        Binding("escape", "matrix", "matrix", tooltip="Back to the matrix", id="run.matrix"),
        Binding("escape", "app.pop_screen", "back", tooltip="Back", id="run.back"),
        *MORE_ACTIONS,
        Binding(KEY, "baselines", "baselines", tooltip="Compare with simple classifiers", id="run.baselines"),
        Binding("q", "app.quit", tooltip="Quit", show=False),
    ]

    def __init__(self, folder: RunFolder) -> None:
        super().__init__(follow(folder))
        self.evaluations: list[Evaluation] = []
        self._evaluation_index = 0
        # Whether the page of samples shows only those of the selected cell of the matrix.
        self._cell_only = False
        self._logged = 0
        self._explanations = ExplainProcess()
        self._suspects = SuspectsProcess()
        # The heartbeat at which the evaluations were read.
        self._read_at = -1.0

    def compose(self) -> ComposeResult:
        yield FixedText(id="head")
        yield FixedText(id="pages")
        with ContentSwitcher(initial=FIRST):
            with VerticalScroll(id="summary"):
                yield ResultPanel()
                yield Static(id="report")
            yield LossAccuracyCharts(id="curves")
            yield ConfusionPage(id="confusion")
            yield DataTable[Text](id="classes", cursor_type="row")
            yield Samples(id="worst")
            with VerticalScroll(id="settings"):
                yield Static(id="table")
            yield Log(id="log", max_lines=2000)
            yield GradientCharts(id="gradients")
            yield UnitCharts(id="layers")
            yield MetricsPage(id="metrics")
        yield FixedText(id="about")
        yield FittingFooter()

    def on_mount(self) -> None:
        table = self.query_one("#classes", DataTable)
        for column in evaluation_tables.CLASS_TITLES:
            table.add_column(Text(column, justify="left" if column in ("class", "most predicted as") else "right"))

    def on_resize(self) -> None:
        if self._read_at >= 0:
            self._show()

    def tick(self) -> None:
        news = self.run.poll(BUDGET) | self.query_one(ResultPanel).poll(self.run) or self._read_at < 0
        if not self.skip_redraw(self.run.behind) and news:
            self._read_evaluations()
            self._show()

    @property
    def urgent(self) -> bool:
        return self.query_one(ResultPanel).is_comparing

    def _read_evaluations(self) -> None:
        """Read the evaluations again only if the run has progressed: large matrices take time."""
        if self._read_at == self.run.state.heartbeat:
            return
        self._read_at = self.run.state.heartbeat
        # `w` cycles through them in this order.
        self.evaluations, problems = read_evaluations(self.run.folder, self.run.state.best)
        for problem in problems:
            self.notify(problem, severity="warning", markup=False)
        self.query_one(ResultPanel).read(self.run, self.evaluations)
        self._evaluation_index = min(self._evaluation_index, max(0, len(self.evaluations) - 1))
        self._show_evaluation()

    @property
    def page(self) -> str:
        return self.query_one(ContentSwitcher).current or FIRST

    @property
    def pages(self) -> list[str]:
        """The pages with content: of other programs' runs, tuitrain knows no layers and perhaps no learning rate."""
        layers = bool(self.run.info.layers)
        empty = {"gradients": not layers and not len(self.run.train.only("lr")), "layers": not layers}
        return [page for page in PAGES if not empty.get(page)]

    @property
    def evaluation(self) -> Evaluation | None:
        """The evaluation shown on the confusion, classes and worst pages, or None."""
        return self.evaluations[self._evaluation_index] if self.evaluations else None

    def _show(self) -> None:
        page = self.page
        self.query_one("#head", FixedText).show(run_report.headline(self.run, self.evaluation))
        self.query_one("#pages", FixedText).show(tab_line(self.pages, page, self.size.width))
        self.query_one("#about", FixedText).show(self._about())
        if page == "summary":
            self.query_one(ResultPanel).show(self.run, self.evaluations)
            self.query_one("#report", Static).update(run_report.summary(self.run, self.evaluations))
        elif page in ("curves", "gradients", "layers"):
            self.query_one(f"#{page}", ChartPair).show(self.run)
        elif page == "settings":
            self.query_one("#table", Static).update(run_report.settings_text(self.run))
        elif page == "log":
            new_lines = self.run.log_lines - self._logged
            lines = list(self.run.log)[-new_lines:] if new_lines > 0 else []
            self.query_one(Log).write_lines([plain(line, 1000) for line in lines])
            self._logged = self.run.log_lines
        elif page == "metrics" and self.evaluation is not None:
            self.query_one(MetricsPage).show(self.run.folder, self.evaluation)

    def _show_evaluation(self) -> None:
        if (evaluation := self.evaluation) is None:
            return
        self.query_one(ConfusionPage).show(evaluation)
        self._show_samples()
        table: DataTable[Text] = self.query_one("#classes", DataTable)
        table.clear()
        for row in evaluation_tables.classes(evaluation)[1:]:
            cells = (plain(cell, 32) for cell in row)
            table.add_row(*(Text(cell, justify="left" if i in (0, 5) else "right") for i, cell in enumerate(cells)))

    def _show_samples(self) -> None:
        if (evaluation := self.evaluation) is None:
            return
        samples, empty = evaluation.worst, "no wrong prediction"
        if self._cell_only:
            pair = self.query_one(ConfusionMatrix).pair
            samples = [sample for sample in samples if (sample.true, sample.predicted) == pair]
            empty = run_report.no_images(evaluation, pair)
        self.query_one("#worst", Samples).show(samples, evaluation.classes, empty)

    def _about(self) -> Content:
        """Return the line below the page: which evaluation it shows, and what is under the cursor."""
        if self.page not in ("confusion", "classes", "worst", "metrics"):
            return Content("")
        if self.evaluation is None:
            return about.no_evaluation(self.run.folder)
        title = about.title(self.evaluation)
        if self.page == "worst":
            pair = self.query_one(ConfusionMatrix).pair if self._cell_only else None
            text = about.images(self.evaluation, self.query_one("#worst", Samples).selected, pair)
            return Content.assemble((f"{title}   " if self.size.width >= WIDE or not pair else "", MUTED), text)
        return about.scores(self.evaluation, title, by_class=self.page == "classes")

    def on_samples_moved(self) -> None:
        self.query_one("#about", FixedText).show(self._about())

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "evaluation":
            return len(self.evaluations) > 1
        if action == "baselines":
            return self.page == FIRST and self.query_one(ResultPanel).can_compare
        if action == "copy_path":
            return self.image_file is not None
        if action == "explain":
            explained = self.page in ("confusion", "worst") and self.evaluation is not None
            return explained and not self.run.folder.read_only
        if action == "images":
            return self.evaluation is not None and self.page == "confusion"
        if action == "page":
            return parameters[0] in self.pages and (parameters != ("metrics",) or self.page != "metrics")
        if action in ("all", "matrix"):
            return self._cell_only
        return super().check_action(action, parameters)

    def action_page(self, page: str, *, cell_only: bool = False) -> None:
        if self._cell_only or cell_only:
            self._cell_only = cell_only
            self._show_samples()
            self.refresh_bindings()
        self.query_one(ContentSwitcher).current = page
        self.query_one("ConfusionMatrix" if page == "confusion" else f"#{page}").focus()
        self._show()

    def action_images(self) -> None:
        self.action_page("worst", cell_only=True)

    def action_explain(self) -> None:
        if self.page == "confusion":
            self.action_images()
        samples = self.query_one("#worst", Samples)
        if self.evaluation and samples.selected:
            self.app.push_screen(ExplanationScreen(self.run.folder, self.evaluation, samples, self._explanations))

    def on_unmount(self) -> None:
        self._explanations.close()
        self._suspects.close()

    def action_all(self) -> None:
        self.action_page("worst")

    def action_matrix(self) -> None:
        self.action_page("confusion")

    def action_turn(self, offset: int) -> None:
        # The present page may have become one of a damaged run.
        pages = [page for page in PAGES if page in (*self.pages, self.page)]
        self.action_page(pages[(pages.index(self.page) + offset) % len(pages)])

    def action_evaluation(self) -> None:
        self._evaluation_index = (self._evaluation_index + 1) % len(self.evaluations)
        self._show_evaluation()
        self._show()

    @property
    def image_file(self) -> Path | None:
        """The file of the image under the cursor."""
        sample = self.query_one("#worst", Samples).selected if self.page == "worst" else None
        return data_folder(self.run.config.data.dir) / sample.file if sample and sample.file else None

    def action_copy_path(self) -> None:
        self.copy(str(self.image_file), plain(self.image_file, 200))

    def exports(self) -> list[Export]:
        cell = self.query_one(ConfusionMatrix).pair if self._cell_only else None
        return [*page_exports(self.page, self.run, self.evaluation, cell), self.picture_export(self.page)]

    def reported(self) -> list[RunFolder]:
        return [self.run.folder]

    def action_suspects(self) -> None:
        self.app.push_screen(SuspectsScreen(self.run.folder, self._suspects, self._explanations))

    def action_baselines(self) -> None:
        self.query_one(ResultPanel).compare(self.run)
