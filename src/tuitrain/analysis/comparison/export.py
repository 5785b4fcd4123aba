"""Write a comparison as Markdown, CSV or JSON."""

from collections.abc import Mapping, Sequence
from functools import cache, partial
from typing import Any, Literal

from tuitrain.analysis.comparison.compare import MAX_COLUMNS, METRICS, Comparison, best_of
from tuitrain.analysis.comparison.mcnemar import LEVEL, mcnemar, verdict
from tuitrain.analysis.comparison.table import compare_table
from tuitrain.analysis.text_tables import csv_text, json_text, markdown
from tuitrain.config.formatting import format_value
from tuitrain.config.settings import FOLD, SEED
from tuitrain.errors import RunError
from tuitrain.runs.changes import at_start, present
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.records import Evaluation
from tuitrain.text import plain

Format = Literal["markdown", "csv", "json"]
Tests = list[dict[str, Any]]


def mcnemar_tests(comparison: Comparison, folders: Mapping[str, RunFolder]) -> Tests:
    """Return McNemar's test of each run's best weights against the baseline's, or the problem that prevents it."""
    tests = []
    baseline = cache(partial(_evaluation, folders[comparison.baseline]))
    for run in comparison.runs:
        if run.id == comparison.baseline:
            continue
        test: dict[str, Any] = {"baseline": comparison.baseline, "run": run.id, "problem": None}
        try:
            result = mcnemar(baseline(), _evaluation(folders[run.id]))
        except RunError as error:
            test["problem"] = str(error)
        else:
            test |= {
                "images": result.images,
                "only_baseline": result.only_first,
                "only_run": result.only_second,
                "p": result.p,
                "significant": result.significant,
                "level": LEVEL,
                "verdict": verdict(result, comparison.run(comparison.baseline).label, run.label),
            }
        tests.append(test)
    return tests


def _evaluation(folder: RunFolder) -> Evaluation:
    evaluation = folder.best_test(folder.state())
    if evaluation is None:
        folder.check_writable()
        id = plain(folder.id)
        raise RunError(f"{id} has no test evaluation.", f"Make one with: tuitrain evaluate {id}")
    return evaluation


def _document(comparison: Comparison, keys: Sequence[str], tests: Tests) -> dict[str, Any]:
    return {
        "runs": [
            {
                "id": run.id,
                "name": run.name,
                "status": run.status,
                "settings": {key: at_start(run.settings.get(key)) for key in keys},
                "changed": present(run.settings),
                "metrics": run.metrics,
                "delta": {metric.key: comparison.delta(run, metric.key) for metric in METRICS},
            }
            for run in comparison.runs
        ],
        "baseline": comparison.baseline,
        "differing_settings": comparison.differing,
        "validation_accuracy_to_reach": comparison.threshold,
        "best": {
            metric.key: sorted(best_of(metric, {run.id: run.metrics[metric.key] for run in comparison.runs}))
            for metric in METRICS
        },
        "mcnemar": tests,
        "other_test_images": sorted(comparison.other_images),
        "groups": [
            {
                "name": group.name,
                "runs": group.ids,
                "repeats": group.repeats,
                "metrics": {metric.key: comparison.mean_sd(group.ids, metric.key) for metric in METRICS},
            }
            for group in comparison.groups
        ],
    }


def _runs_csv(comparison: Comparison, keys: Sequence[str]) -> str:
    """Write one line per run, with unrounded numbers."""
    lines: list[list[str | float | None]] = [["id", "name", "status", *keys, *(metric.key for metric in METRICS)]]
    for run in comparison.runs:
        settings = ["" if key not in run.settings else format_value(run.settings[key]) for key in keys]
        lines.append([run.id, run.name, run.status, *settings, *(run.metrics[metric.key] for metric in METRICS)])
    return csv_text(lines)


def _groups_csv(comparison: Comparison, keys: Sequence[str]) -> str:
    """Write one line per seed group, with unrounded means and standard deviations."""
    keys = [key for key in keys if key not in (SEED, FOLD)]
    heads = [f"{metric.key}{end}" for metric in METRICS for end in ("", "_sd")]
    lines: list[list[str | float | None]] = [["group", "seeds", *keys, *heads]]
    for group in comparison.groups:
        settings = comparison.run(group.ids[0]).settings
        line: list[str | float | None] = [group.name, len(group.ids)]
        line += [format_value(settings[key]) if key in settings else "" for key in keys]
        for metric in METRICS:
            found = comparison.mean_sd(group.ids, metric.key)
            line += [None, None] if found is None else [found.mean, found.sd]
        lines.append(line)
    return csv_text(lines)


def table(comparison: Comparison, tests: Tests, *, show_all: bool = False, grouped: bool = False) -> list[list[str]]:
    """Return the titles and cells of the table as shown on the screen: up to MAX_COLUMNS runs or groups are columns,
    more are rows."""
    columns = comparison.columns(grouped=grouped)
    ids = [column.ids for column in columns]
    p_values = {test["run"]: test["p"] for test in tests if test["problem"] is None}
    rows = compare_table(comparison, ids, None if grouped else p_values, show_all=show_all)
    lines = [["", *(column.title for column in columns)], *([row.title, *map(str, row.cells)] for row in rows)]
    return lines if len(columns) <= MAX_COLUMNS else [list(line) for line in zip(*lines, strict=True)]


def format_comparison(
    comparison: Comparison, tests: Tests, format: Format, *, show_all: bool = False, grouped: bool = False
) -> str:
    """Return the runs, or the groups of runs that differ only in their seed; JSON contains both."""
    if format == "markdown":
        return markdown(table(comparison, tests, show_all=show_all, grouped=grouped))
    keys = comparison.keys if show_all else comparison.differing
    if format == "json":
        return json_text(_document(comparison, keys, tests))
    return _groups_csv(comparison, keys) if grouped else _runs_csv(comparison, keys)
