"""The table of a comparison: settings and results of runs, or of groups of runs that differ only in their seed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from tuitrain.analysis import units
from tuitrain.analysis.comparison.compare import METRICS, Comparison, Metric, best_of
from tuitrain.analysis.comparison.mcnemar import LEVEL, p_value
from tuitrain.analysis.table.columns import columns as table_columns
from tuitrain.analysis.table.groups import MeanSD
from tuitrain.config.formatting import format_value
from tuitrain.config.settings import BEST, FOLD, SEED
from tuitrain.runs.records import GOAL_TITLES, by_goals
from tuitrain.text import plain

MAX_TEXT = 60
Ids = Sequence[str]


@dataclass(frozen=True, slots=True)
class Cell:
    """A value, safe to show. A result can have a standard deviation, the number of known values of an incomplete group,
    a star, and the change from the baseline, with its `direction`: 1 is better, -1 worse. `faint` values matter
    less."""

    text: str
    spread: str = ""
    known: str = ""
    top: bool = False
    change: str = ""
    direction: int = 0
    faint: bool = False

    def __str__(self) -> str:
        parts = (self.text, self.spread, self.known, "★" * self.top, self.change)
        return " ".join(filter(None, parts))


@dataclass(frozen=True, slots=True)
class CompareRow:
    """A title and one cell per run or group. Results are numbers, except for the status."""

    title: str
    cells: Sequence[Cell]
    kind: Literal["setting", "status", "result"] = "result"


def compare_table(
    comparison: Comparison, columns: Sequence[Ids], p_values: Mapping[str, float] | None, *, show_all: bool = False
) -> list[CompareRow]:
    """Return the rows for columns of run ids; differences refer to the first column. `p_values` are those of McNemar's
    test against the baseline by run id, or None to leave them out."""
    table = []
    for key in comparison.keys if show_all else comparison.differing:
        cells = [_setting(comparison, key, ids) for ids in columns]
        if show_all or key not in (SEED, FOLD) or len(set(cells)) > 1:
            table.append(CompareRow(key, cells, "setting"))
    if any(run.status != "finished" for run in comparison.runs):
        table.append(CompareRow("status", [_status(comparison, ids) for ids in columns], "status"))
    for metric in METRICS:
        if any(comparison.run(id).metrics[metric.key] is not None for ids in columns for id in ids):
            table.append(CompareRow(_title(comparison, metric), _results(comparison, metric, columns)))
        if metric.key == "best_weights_test_accuracy" and p_values is not None:
            table.append(CompareRow("McNemar p", [_test(comparison, ids[0], p_values) for ids in columns]))
    return table


def short_title(key: str) -> str:
    """Return the title of a setting in the runs table, or the title of a result as it is."""
    known = table_columns()
    return known[key].title if key in known else key


def _title(comparison: Comparison, metric: Metric) -> str:
    """Return the title of a result, with the accuracy to reach or the metric that selects the best epochs."""
    if metric.key.endswith("_to_reach"):
        return f"{metric.title} {units.percent(comparison.threshold)}"
    if metric.key.startswith("best_"):
        goals = (run.settings.get(BEST) for run in comparison.runs)
        return metric.title + by_goals(goal for goal in goals if goal in GOAL_TITLES)
    return metric.title


def _setting(comparison: Comparison, key: str, ids: Ids) -> Cell:
    settings = [run.settings for id in ids if key in (run := comparison.run(id)).settings]
    if not settings:
        return Cell(units.UNKNOWN)
    if key in (SEED, FOLD) and len(settings) > 1:
        return Cell(plain(", ".join(sorted({format_value(values[key]) for values in settings})), MAX_TEXT))
    value = settings[0][key]
    same = value == comparison.run(comparison.baseline).settings.get(key)
    faint = same and key in comparison.differing and comparison.baseline not in ids
    return Cell(plain(format_value(value), MAX_TEXT), faint=faint)


def _status(comparison: Comparison, ids: Ids) -> Cell:
    return Cell(", ".join(sorted({comparison.run(id).status for id in ids})))


def _results(comparison: Comparison, metric: Metric, columns: Sequence[Ids]) -> list[Cell]:
    summaries = {ids[0]: comparison.mean_sd(ids, metric.key) for ids in columns}
    means = {first: summary.mean if summary else None for first, summary in summaries.items()}
    top, reference = best_of(metric, means), means[columns[0][0]]
    return [
        _result(metric, summaries[ids[0]], len(ids), reference if index else None, top=ids[0] in top)
        for index, ids in enumerate(columns)
    ]


def _result(metric: Metric, summary: MeanSD | None, count: int, reference: float | None, *, top: bool) -> Cell:
    if summary is None:
        return Cell(units.UNKNOWN)
    spread = f"± {metric.difference(summary.sd).lstrip('+')}" if summary.sd is not None else ""
    known = f"(n={summary.n})" if summary.n < count else ""
    change = summary.mean - reference if reference is not None else 0.0
    tie = reference is None or metric.ties(summary.mean, reference)
    direction = 0 if tie else metric.better * (1 if change > 0 else -1)
    # No change such as +0.00 between values that look the same.
    differs = reference is not None and metric.text(summary.mean) != metric.text(reference)
    return Cell(metric.text(summary.mean), spread, known, top, metric.difference(change) if differs else "", direction)


def _test(comparison: Comparison, id: str, p_values: Mapping[str, float]) -> Cell:
    if id in comparison.other_images:
        return Cell("other images")
    p = p_values.get(id)
    return Cell("") if p is None else Cell(p_value(p), faint=p >= LEVEL)
