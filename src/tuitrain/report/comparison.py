"""The sections that compare several runs."""

from collections.abc import Iterator, Sequence

from tuitrain.analysis.comparison import export
from tuitrain.analysis.comparison.compare import Comparison, compare
from tuitrain.analysis.comparison.export import Tests
from tuitrain.analysis.text_tables import Lines
from tuitrain.report.blocks import Block, Charts, Section, Table, Text
from tuitrain.runs.follower import Follower

# Columns of a table beside the first: more do not fit on paper.
COLUMNS = 6


def comparison_sections(runs: Sequence[Follower]) -> list[Section]:
    """Return the comparison of at least two runs with the first one."""
    comparison = compare(runs)
    tests = export.mcnemar_tests(comparison, {run.folder.id: run.folder for run in runs})
    return [
        Section("Comparison", _tables(comparison, tests)),
        Section("Does the difference mean anything?", _tests(tests)),
        Section("Curves of all runs", _curves(runs, comparison)),
    ]


def _tables(comparison: Comparison, tests: Tests) -> list[Block]:
    baseline = comparison.run(comparison.baseline).label
    differ = (
        "The settings that differ, and" if comparison.differing else "The runs differ in no known setting. Below are"
    )
    blocks: list[Block] = [Text(f"{differ} the results relative to {baseline}. ★ marks the best value.")]
    blocks += _parts(export.table(comparison, tests), "Runs")
    if any(len(group.ids) > 1 for group in comparison.groups):
        blocks += _parts(export.table(comparison, tests, grouped=True), "Mean ± standard deviation over seeds")
    return blocks


def _parts(lines: Lines, title: str) -> Iterator[Table]:
    """Yield a wide table in parts that fit on paper, each with the first column."""
    columns = len(lines[0])
    for start in range(1, columns, COLUMNS):
        part = [[line[0], *line[start : start + COLUMNS]] for line in lines]
        yield Table(part, range(1, len(part[0])), title if start == 1 else f"{title}, continued")


def _tests(tests: Tests) -> list[Block]:
    """Return McNemar's test of each run against the baseline, in words."""
    return [
        Text(test["verdict"]) if test["problem"] is None else Text(f"No McNemar test: {test['problem']}", "missing")
        for test in tests
    ]


def _curves(runs: Sequence[Follower], comparison: Comparison) -> list[Block]:
    from tuitrain.report.curves import comparison_charts  # Matplotlib is slow to import.

    charts = comparison_charts({run.folder.id: run for run in runs}, {run.id: run.label for run in comparison.runs})
    return [Charts(charts)] if charts else [Text("The runs have no metrics yet.", "missing")]
