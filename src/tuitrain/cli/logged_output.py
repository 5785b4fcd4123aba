"""Print the metrics that a script logged."""

from collections.abc import Sequence
from math import isfinite
from typing import Any

from tuitrain.analysis import units
from tuitrain.analysis.curves import logged_names
from tuitrain.cli.output import print_line
from tuitrain.cli.table import write_table
from tuitrain.runs.scripts.folder import ScriptFolder
from tuitrain.text import plain


def logged_document(folder: ScriptFolder) -> dict[str, Any]:
    """Return the last, smallest and largest value of each metric, and their number."""
    run = folder.follow()
    run.read_all()
    return {name: _statistics(run.logged(name)["value"]) for name in logged_names([run])}


def _statistics(values: Sequence[float]) -> dict[str, Any]:
    finite = [value for value in values if isfinite(value)]
    last = values[-1] if len(values) else None
    return {
        "last": last if last is None or isfinite(last) else str(last),
        "min": min(finite, default=None),
        "max": max(finite, default=None),
        "values": len(values),
    }


def print_logged(folder: ScriptFolder) -> None:
    lines = [["metric", "last", "min", "max", "values"]]
    for name, found in logged_document(folder).items():
        last, bounds = found["last"], (found["min"], found["max"])
        text = last if isinstance(last, str) else units.number(last)
        lines.append([plain(name, 60), text, *map(units.number, bounds), f"{found['values']:,}"])
    print_line("")
    write_table(lines, right=range(1, 5))
