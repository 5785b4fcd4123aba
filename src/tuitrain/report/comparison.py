"""The sections that compare several runs."""

from collections.abc import Sequence

from tuitrain.analysis.comparison import export
from tuitrain.analysis.comparison.compare import MAX_COLUMNS, Comparison, compare
from tuitrain.analysis.comparison.export import Tests
from tuitrain.analysis.text_tables import Lines
from tuitrain.report.blocks import Block, Charts, Section, Table, Text
from tuitrain.runs.follower import Follower

# Columns of a table beside the first: more do not fit on paper.
COLUMNS = 6
# The last line of the most important results, in the order of `METRICS`.
LAST_MAIN = "time"
SEEDS = "Mean ± standard deviation over seeds"


def comparison_sections(runs: Sequence[Follower]) -> list[Section]:
    """Return the comparison of at least two runs with the first one."""
    comparison = compare(runs)
    tests = export.mcnemar_tests(comparison, {run.folder.id: run.folder for run in runs})
    return [
        Section("Comparison", _main_results(comparison, tests)),
        Section("Does the difference mean anything?", _tests(tests)),
        Section("Curves of all runs", _curves(runs, comparison)),
        Section("All results", _parts(_lines(comparison, tests))),
    ]


def _main_results(comparison: Comparison, tests: Tests) -> list[Block]:
    """Return the settings that differ and the most important results, of the runs and of groups of runs."""
    baseline = comparison.run(comparison.baseline).label
    differ = "The settings that differ, and" if comparison.differing else "No known setting differs. Below are"
    blocks: list[Block] = [Text(f"{differ} the results relative to {baseline}. ★ marks the best value.")]
    blocks += _parts(_lines(comparison, tests), until=LAST_MAIN)
    if any(len(group.ids) > 1 for group in comparison.groups):
        blocks += _parts(_lines(comparison, tests, grouped=True), SEEDS, LAST_MAIN)
    return blocks


def _lines(comparison: Comparison, tests: Tests, *, grouped: bool = False) -> Lines:
    """Return the table with one line per result."""
    lines = export.table(comparison, tests, grouped=grouped)
    by_result = len(comparison.columns(grouped=grouped)) <= MAX_COLUMNS
    return lines if by_result else [list(line) for line in zip(*lines, strict=True)]


def _parts(lines: Lines, title: str = "", until: str | None = None) -> list[Table]:
    """Return the table, up to the line that is titled `until`. With many columns there is one line per run, and the
    table has parts that fit on paper."""
    last = next((number for number, line in enumerate(lines) if line[0] == until), len(lines))
    lines = lines[: last + 1]
    if len(lines[0]) - 1 > MAX_COLUMNS:
        lines = [list(line) for line in zip(*lines, strict=True)]
    parts = []
    for start in range(1, len(lines[0]), COLUMNS):
        part = [[line[0], *line[start : start + COLUMNS]] for line in lines]
        parts.append(Table(part, range(1, len(part[0])), title))
    return parts


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
