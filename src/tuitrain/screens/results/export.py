"""Export the page of the results that is shown."""

from collections.abc import Callable

from tuitrain.analysis import evaluation_tables
from tuitrain.analysis.text_tables import Lines
from tuitrain.runs.follower import Follower
from tuitrain.runs.records import Evaluation
from tuitrain.screens.export import Export, metrics_export, table_exports

# The pages that are exported as a table.
TABLES: dict[str, tuple[Callable[[Evaluation], Lines], str]] = {
    "confusion": (evaluation_tables.confusion_matrix, "the matrix"),
    "classes": (evaluation_tables.classes, "the classes"),
    "worst": (evaluation_tables.wrong_predictions, "the wrong predictions"),
}


def page_exports(page: str, run: Follower, evaluation: Evaluation | None) -> list[Export]:
    """Return the exports of the table on this page; if there is none, that of the run's metrics."""
    if page in TABLES and evaluation is not None:
        table, title = TABLES[page]
        return table_exports(title, page, lambda: table(evaluation))
    return [metrics_export(run)]
