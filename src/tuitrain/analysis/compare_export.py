"""Write a comparison as Markdown, CSV or JSON."""

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import msgspec

from tuitrain.analysis import units
from tuitrain.analysis.compare import METRICS, Comparison, best_of
from tuitrain.analysis.mcnemar import LEVEL, mcnemar, p_text, verdict
from tuitrain.config.formatting import format_value
from tuitrain.errors import RunError
from tuitrain.runs.changes import at_start, present
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.records import Evaluation
from tuitrain.text import plain

Format = Literal["markdown", "csv", "json"]
Tests = list[dict[str, Any]]


def setting_keys(comparison: Comparison, *, everything: bool) -> Sequence[str]:
    return comparison.keys if everything else comparison.differing


def mcnemar_tests(comparison: Comparison, folders: Mapping[str, RunFolder]) -> Tests:
    """Return McNemar's test of each run against the baseline, or the problem that prevents it."""
    names = {run.id: plain(run.name, 60) for run in comparison.runs}
    tests = []
    for run in comparison.runs:
        if run.id == comparison.baseline:
            continue
        test: dict[str, Any] = {"baseline": comparison.baseline, "run": run.id, "problem": None}
        try:
            first, second = _evaluation(folders[comparison.baseline]), _evaluation(folders[run.id])
            result = mcnemar(first, second)
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
                "verdict": verdict(result, names[comparison.baseline], names[run.id]),
            }
        tests.append(test)
    return tests


def _evaluation(folder: RunFolder) -> Evaluation:
    folder.check_writable()
    evaluation = folder.evaluation("test")
    if evaluation is None:
        id = plain(folder.id)
        raise RunError(f"{id} has no test evaluation.", f"Make one with: tuitrain evaluate {id}")
    return evaluation


def document(comparison: Comparison, keys: Sequence[str], tests: Tests) -> dict[str, Any]:
    """Return the comparison as plain values for JSON."""
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
        "groups": [
            {
                "name": group.name,
                "runs": group.ids,
                "metrics": {metric.key: comparison.mean_sd(group.ids, metric.key) for metric in METRICS},
            }
            for group in comparison.groups
        ],
    }


def csv_text(comparison: Comparison, keys: Sequence[str]) -> str:
    """Write one line per run, with unrounded numbers."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["id", "name", "status", *keys, *(metric.key for metric in METRICS)])
    for run in comparison.runs:
        settings = ["" if key not in run.settings else format_value(run.settings[key]) for key in keys]
        numbers = ["" if run.metrics[metric.key] is None else run.metrics[metric.key] for metric in METRICS]
        texts = [_escape_formula(plain(text)) for text in (run.id, run.name, run.status, *settings)]
        writer.writerow([*texts, *numbers])
    return text.getvalue()


def _escape_formula(text: str) -> str:
    """Prefix text that a spreadsheet would read as a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "@") or (text[:1] == "-" and not text[1:2].isdigit()) else text


def table_rows(comparison: Comparison, keys: Sequence[str], tests: Tests) -> list[list[str]]:
    """Return one row per setting, metric and test: its title, then a cell per run."""
    settings = [run.settings for run in comparison.runs]
    table = [
        [key, *(plain(format_value(values[key]), 60) if key in values else units.UNKNOWN for values in settings)]
        for key in keys
    ]
    for metric in METRICS:
        values = {run.id: run.metrics[metric.key] for run in comparison.runs}
        top = best_of(metric, values)
        if any(value is not None for value in values.values()):
            title = metric.title
            if metric.key.endswith("_to_reach"):
                title += f" {units.percent(comparison.threshold)}"
            cells = []
            for run in comparison.runs:
                change = comparison.delta(run, metric.key)
                cells.append(
                    metric.text(values[run.id])
                    + " ★" * (run.id in top)
                    + (f" {metric.difference(change)}" if change else "")
                )
            table.append([title, *cells])
    return [*table, _test_row(comparison, tests)]


def _test_row(comparison: Comparison, tests: Tests) -> list[str]:
    texts = {test["run"]: p_text(test["p"]) if test["problem"] is None else units.UNKNOWN for test in tests}
    return ["McNemar", *(texts.get(run.id, "") for run in comparison.runs)]


def run_titles(comparison: Comparison) -> list[str]:
    return [plain(run.name, 40) or plain(run.id, 40) for run in comparison.runs]


def markdown(comparison: Comparison, keys: Sequence[str], tests: Tests) -> str:
    lines = [["", *run_titles(comparison)], ["---"] * (len(comparison.runs) + 1)]
    lines += table_rows(comparison, keys, tests)
    return "".join("| " + " | ".join(map(_escape_markdown, line)) + " |\n" for line in lines)


def _escape_markdown(text: str) -> str:
    """Escape Markdown characters, except in the separator line."""
    return text if text == "---" else "".join(f"\\{c}" if c in "\\|`*_[]<>!#" else c for c in text)


def format_comparison(comparison: Comparison, keys: Sequence[str], tests: Tests, format: Format) -> str:
    writers: dict[Format, Callable[[], str]] = {
        "markdown": lambda: markdown(comparison, keys, tests),
        "csv": lambda: csv_text(comparison, keys),
        "json": lambda: msgspec.json.format(msgspec.json.encode(document(comparison, keys, tests))).decode() + "\n",
    }
    return writers[format]()
