"""Export the page of the results that is shown."""

from collections.abc import Callable
from pathlib import Path

from tuitrain.analysis import evaluation_tables
from tuitrain.analysis.text_tables import Lines
from tuitrain.runs import rows_csv
from tuitrain.runs.follower import Follower
from tuitrain.runs.records import Evaluation
from tuitrain.screens.export import Export, ExportScreen, table_exports
from tuitrain.text import plain
from tuitrain.widgets.confusion.samples import Samples

# The pages that are exported as a table.
TABLES: dict[str, tuple[Callable[[Evaluation], Lines], str]] = {
    "confusion": (evaluation_tables.confusion_matrix, "the matrix"),
    "classes": (evaluation_tables.classes, "the classes"),
    "worst": (evaluation_tables.wrong_predictions, "the wrong predictions"),
}


class ResultsExport(ExportScreen):
    """`page` and `evaluation` of `run` are shown."""

    run: Follower

    @property
    def page(self) -> str:
        raise NotImplementedError

    @property
    def evaluation(self) -> Evaluation | None:
        raise NotImplementedError

    def exports(self) -> list[Export]:
        page, evaluation = self.page, self.evaluation
        if page in TABLES and evaluation is not None:
            table, title = TABLES[page]
            return [*table_exports(title, page, lambda: table(evaluation)), self.picture_export(page)]
        rows = Export("csv", "all metrics, for pandas", "metrics.csv", lambda: rows_csv.text(self.run))
        return [rows, self.picture_export(page)]

    @property
    def image_file(self) -> Path | None:
        """The file of the image under the cursor."""
        if self.page != "worst":
            return None
        sample = self.query_one("#worst", Samples).selected
        return Path(self.run.config.data.dir or "").expanduser() / sample.file if sample and sample.file else None

    def action_copy_path(self) -> None:
        if self.image_file is not None:
            self.app.copy_to_clipboard(str(self.image_file))
            self.notify(f"Copied {plain(self.image_file, 200)}", timeout=3, markup=False)
