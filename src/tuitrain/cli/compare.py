"""`tuitrain compare RUN RUN...`: compare settings and results, and test the differences."""

import argparse
import sys
from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from tuitrain.analysis import compare_export, units
from tuitrain.analysis.compare import Comparison, compare
from tuitrain.analysis.compare_export import Tests
from tuitrain.cli.output import print_json, print_message, wide_console
from tuitrain.errors import RunError
from tuitrain.runs.catalog.follow import follow
from tuitrain.runs.catalog.listing import find
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.follower import Follower
from tuitrain.text import plain


def run(options: argparse.Namespace) -> int:
    folders = {folder.id: folder for folder in (find(options.runs_dir, name) for name in options.names)}
    if len(folders) < 2:
        raise RunError("Name at least two runs to compare.", "List runs with: tuitrain runs")
    followers = [_read(folder) for folder in folders.values()]
    comparison = compare(followers, threshold=options.reach and options.reach / 100)
    tests = compare_export.mcnemar_tests(comparison, folders)
    keys = compare_export.setting_keys(comparison, everything=options.all)
    if options.json:
        print_json(compare_export.document(comparison, keys, tests))
    elif options.format == "table":
        _print_table(comparison, keys, tests)
    else:
        sys.stdout.write(compare_export.format_comparison(comparison, keys, tests, options.format))
    return 0


def _read(folder: RunFolder) -> Follower:
    follower = follow(folder, brief=True)
    while follower.poll(1.0):
        pass
    if follower.problem:
        print_message(f"tuitrain: {plain(folder.id)} is damaged: {follower.problem}")
    return follower


def _print_table(comparison: Comparison, keys: Sequence[str], tests: Tests) -> None:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for head in ["", *compare_export.run_titles(comparison)]:
        table.add_column(Text(head), no_wrap=True)
    for row in compare_export.table_rows(comparison, keys, tests):
        table.add_row(*map(Text, row))
    console = wide_console()
    console.print(table)
    console.print()
    for test in tests:
        console.print(Text(test["verdict"] if test["problem"] is None else f"No McNemar test: {test['problem']}"))
    for group in comparison.groups:
        summary = comparison.mean_sd(group.ids, "test_accuracy")
        if len(group.ids) > 1 and summary is not None:
            sd = f" ± {100 * summary.sd:.2f}" if summary.sd is not None else ""
            console.print(
                Text(f"{plain(group.name, 60)}: last test {units.percent(summary.mean)}{sd} over {summary.n} seeds")
            )
