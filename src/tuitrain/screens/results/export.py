"""Export the page of the results that is shown."""

from collections.abc import Callable
from functools import partial

from tuitrain.analysis import evaluation_tables
from tuitrain.analysis.text_tables import Lines
from tuitrain.config.formatting import format_value
from tuitrain.runs.follower import Follower
from tuitrain.runs.records import Evaluation
from tuitrain.screens.export import Export, metrics_export, table_exports
from tuitrain.text import plain

# The pages that are exported as a table.
TABLES: dict[str, tuple[Callable[[Evaluation], Lines], str]] = {
    "confusion": (evaluation_tables.confusion_matrix, "the matrix"),
    "classes": (evaluation_tables.classes, "the classes"),
}


def page_exports(page: str, run: Follower, evaluation: Evaluation | None, cell: tuple[int, int] | None) -> list[Export]:
    """Return the exports of what the page shows; for curves and the summary, that of the run's metrics. With `cell`,
    the page of images shows those of this true and predicted class."""
    if page == "settings":
        return table_exports("the settings", page, lambda: _settings(run))
    if page == "log":
        return [Export("text", "the log as shown", "log.txt", lambda: "".join(f"{plain(line)}\n" for line in run.log))]
    if page == "worst" and evaluation is not None:
        lines = partial(evaluation_tables.wrong_predictions, evaluation, cell)
        return table_exports("the wrong predictions shown", page, lines)
    if page == "metrics" and evaluation is not None:
        return table_exports("the metrics", page, partial(_metrics, run, evaluation))
    if page in TABLES and evaluation is not None:
        table, title = TABLES[page]
        return table_exports(title, page, lambda: table(evaluation))
    return [metrics_export(run)]


def _metrics(run: Follower, evaluation: Evaluation) -> Lines:
    from tuitrain.analysis.metrics.tables import metric_lines  # NumPy is slow to import.

    return metric_lines(run.folder, evaluation)


def _settings(run: Follower) -> Lines:
    return [["setting", "value"], *([key, format_value(value)] for key, value in (run.settings | run.changes).items())]
