"""`tuitrain compare RUN RUN...`: the settings that differ, the results, and whether the difference means anything."""

import argparse
import csv
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from tuitrain.analysis import units
from tuitrain.analysis.compare import METRICS, Comparison, best, compare
from tuitrain.analysis.mcnemar import LEVEL, mcnemar, p_text, verdict
from tuitrain.cli.output import document, talk, wide_console
from tuitrain.config.values import to_text
from tuitrain.errors import RunError
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.follow import follow
from tuitrain.runs.follower import Follower
from tuitrain.runs.listing import find
from tuitrain.runs.records import Evaluation
from tuitrain.text import plain


def run(options: argparse.Namespace) -> int:
    folders = {folder.id: folder for folder in (find(options.runs_dir, name) for name in options.names)}
    if len(folders) < 2:
        raise RunError("A comparison needs two runs or more.", "See: tuitrain runs")
    followers = [_read(folder) for folder in folders.values()]
    comparison = compare(followers, threshold=options.reach and options.reach / 100)
    tests = _tests(comparison, folders)
    keys = _keys(comparison, everything=options.all)
    if options.json:
        document(_document(comparison, keys, tests))
    elif options.format == "csv":
        _csv(comparison, keys)
    elif options.format == "markdown":
        _markdown(comparison, keys, tests)
    else:
        _table(comparison, keys, tests)
    return 0


def _read(folder: RunFolder) -> Follower:
    follower = follow(folder, brief=True)
    while follower.poll(1.0):
        pass
    if follower.problem:
        talk(f"tuitrain: {plain(folder.id)} is damaged: {follower.problem}")
    return follower


def _keys(comparison: Comparison, *, everything: bool) -> Sequence[str]:
    return comparison.keys if everything else comparison.differing


def _tests(comparison: Comparison, folders: Mapping[str, RunFolder]) -> list[dict[str, Any]]:
    """Each run's test against that of the baseline, or why there is none."""
    names = {run.id: plain(run.name, 60) for run in comparison.runs}
    tests = []
    for run in comparison.runs:
        if run.id == comparison.baseline:
            continue
        found: dict[str, Any] = {"baseline": comparison.baseline, "run": run.id, "problem": None}
        try:
            first, second = _evaluation(folders[comparison.baseline]), _evaluation(folders[run.id])
            test = mcnemar(first, second)
        except RunError as error:
            found["problem"] = str(error)
        else:
            found |= {
                "images": test.images,
                "only_baseline": test.only_first,
                "only_run": test.only_second,
                "p": test.p,
                "significant": test.significant,
                "level": LEVEL,
                "verdict": verdict(test, names[comparison.baseline], names[run.id]),
            }
        tests.append(found)
    return tests


def _evaluation(folder: RunFolder) -> Evaluation:
    folder.refuse_foreign()
    evaluation = folder.evaluation("test")
    if evaluation is None:
        raise RunError(f"{plain(folder.id)} was not tested.", f"Test it with: tuitrain evaluate {plain(folder.id)}")
    return evaluation


def _document(comparison: Comparison, keys: Sequence[str], tests: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "runs": [
            {
                "id": run.id,
                "name": run.name,
                "status": run.status,
                "settings": {key: run.settings.get(key) for key in keys},
                "metrics": run.metrics,
                "delta": {metric.key: comparison.delta(run, metric.key) for metric in METRICS},
            }
            for run in comparison.runs
        ],
        "baseline": comparison.baseline,
        "differing_settings": comparison.differing,
        "validation_accuracy_to_reach": comparison.threshold,
        "best": {
            metric.key: sorted(best(metric, {run.id: run.metrics[metric.key] for run in comparison.runs}))
            for metric in METRICS
        },
        "mcnemar": tests,
        "groups": [
            {
                "name": group.name,
                "runs": group.ids,
                "metrics": {metric.key: comparison.spread(group.ids, metric.key) for metric in METRICS},
            }
            for group in comparison.groups
        ],
    }


def _csv(comparison: Comparison, keys: Sequence[str]) -> None:
    """A line a run, numbers as they are."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(["id", "name", "status", *keys, *(metric.key for metric in METRICS)])
    for run in comparison.runs:
        settings = ["" if key not in run.settings else to_text(run.settings[key]) for key in keys]
        numbers = ["" if run.metrics[metric.key] is None else run.metrics[metric.key] for metric in METRICS]
        texts = [_inert(plain(text)) for text in (run.id, run.name, run.status, *settings)]
        writer.writerow([*texts, *numbers])


def _inert(text: str) -> str:
    """What a spreadsheet does not take for a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "@") or (text[:1] == "-" and not text[1:2].isdigit()) else text


def _rows(comparison: Comparison, keys: Sequence[str]) -> list[list[str]]:
    """A row a setting or metric: its name, then a text for each run."""
    settings = [run.settings for run in comparison.runs]
    table = [
        [key, *(plain(to_text(values[key]), 60) if key in values else units.UNKNOWN for values in settings)]
        for key in keys
    ]
    for metric in METRICS:
        values = {run.id: run.metrics[metric.key] for run in comparison.runs}
        top = best(metric, values)
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
    return table


def _test_row(comparison: Comparison, tests: list[dict[str, Any]]) -> list[str]:
    said = {test["run"]: p_text(test["p"]) if test["problem"] is None else units.UNKNOWN for test in tests}
    return ["McNemar", *(said.get(run.id, "") for run in comparison.runs)]


def _heads(comparison: Comparison) -> list[str]:
    return [plain(run.name, 40) or plain(run.id, 40) for run in comparison.runs]


def _markdown(comparison: Comparison, keys: Sequence[str], tests: list[dict[str, Any]]) -> None:
    lines = [["", *_heads(comparison)], ["---"] * (len(comparison.runs) + 1)]
    lines += [*_rows(comparison, keys), _test_row(comparison, tests)]
    for line in lines:
        sys.stdout.write("| " + " | ".join(map(_escaped, line)) + " |\n")


def _escaped(text: str) -> str:
    """Text that Markdown takes for nothing else; the line between head and rows stays what it is."""
    return text if text == "---" else "".join(f"\\{c}" if c in "\\|`*_[]<>!#" else c for c in text)


def _table(comparison: Comparison, keys: Sequence[str], tests: list[dict[str, Any]]) -> None:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for head in ["", *_heads(comparison)]:
        table.add_column(Text(head), no_wrap=True)
    for row in [*_rows(comparison, keys), _test_row(comparison, tests)]:
        table.add_row(*map(Text, row))
    console = wide_console()
    console.print(table)
    console.print()
    for test in tests:
        console.print(Text(test["verdict"] if test["problem"] is None else f"No McNemar test: {test['problem']}"))
    for group in comparison.groups:
        found = comparison.spread(group.ids, "test_accuracy")
        if len(group.ids) > 1 and found is not None:
            sd = f" ± {100 * found.sd:.2f}" if found.sd is not None else ""
            console.print(Text(f"{plain(group.name, 60)}: test {units.percent(found.mean)}{sd} over {found.n} seeds"))
