"""`tuitrain compare RUN RUN...`: compare settings and results, and test the differences."""

import argparse
import sys

from tuitrain.analysis.comparison import export as compare_export
from tuitrain.analysis.comparison.compare import Comparison, compare
from tuitrain.analysis.comparison.export import Tests
from tuitrain.cli.output import print_line, print_message
from tuitrain.cli.table import write_table
from tuitrain.errors import RunError
from tuitrain.runs.catalog.follow import follow
from tuitrain.runs.catalog.listing import find_all
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.follower import Follower
from tuitrain.text import plain


def run(options: argparse.Namespace) -> int:
    folders = {folder.id: folder for folder in find_all(options.runs_dir, options.names)}
    if len(folders) < 2:
        raise RunError("Name at least two runs to compare.", "List runs with: tuitrain runs")
    followers = [_read(folder) for folder in folders.values()]
    comparison = compare(followers, threshold=options.reach and options.reach / 100)
    tests = compare_export.mcnemar_tests(comparison, folders)
    if options.format == "table" and not options.json:
        _print_table(comparison, tests, show_all=options.all)
    else:
        format: compare_export.Format = "json" if options.json else options.format
        sys.stdout.write(compare_export.format_comparison(comparison, tests, format, show_all=options.all))
    return 0


def _read(folder: RunFolder) -> Follower:
    follower = follow(folder, brief=True)
    follower.read_all()
    if follower.problem:
        print_message(f"tuitrain: {plain(folder.id)} is damaged: {follower.problem}")
    return follower


def _print_table(comparison: Comparison, tests: Tests, *, show_all: bool) -> None:
    """Print the runs, McNemar's tests, and the groups of runs that differ only in their seed."""
    write_table(compare_export.table(comparison, tests, show_all=show_all))
    print_line("")
    for test in tests:
        print_line(test["verdict"] if test["problem"] is None else f"No McNemar test: {test['problem']}")
    if any(len(group.ids) > 1 for group in comparison.groups):
        print_line("\nMean ± standard deviation over seeds")
        write_table(compare_export.table(comparison, tests, show_all=show_all, grouped=True))
