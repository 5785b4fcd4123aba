"""Claims about tuitrain's speed, and their tables in docs/performance.md.

Each benchmark defines `claims(quick) -> list[Claim]` and ends with `report(__file__, claims)`. `--write` puts its table
into docs/performance.md, between the two lines that name the script.
"""

import argparse
import os
import platform
import re
import statistics
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

PAGE = Path(__file__).parent.parent / "docs" / "performance.md"
# The folder with MNIST/raw.
DATA = Path(os.environ.get("TUITRAIN_TEST_DATA", Path(__file__).parents[2] / "shared" / "data")).resolve()


@dataclass(frozen=True)
class Claim:
    """A row of the table. `met` is None for a number without a limit, and if this machine cannot measure it."""

    claim: str
    bar: str
    measured: float
    unit: str
    met: bool | None


def at_most(claim: str, bar: float, measured: float, unit: str = "") -> Claim:
    return Claim(claim, f"<= {bar:g}{_spaced(unit)}", measured, unit, measured <= bar)


def at_least(claim: str, bar: float, measured: float, unit: str = "") -> Claim:
    return Claim(claim, f">= {bar:g}{_spaced(unit)}", measured, unit, measured >= bar)


def figure(claim: str, measured: float, unit: str = "") -> Claim:
    """Return a number without a limit, which explains the others."""
    return Claim(claim, "", measured, unit, None)


def p95(values: Sequence[float]) -> float:
    return statistics.quantiles(values, n=20, method="inclusive")[-1]


def table(claims: Iterable[Claim]) -> str:
    """Return a Markdown table, aligned for a terminal."""
    rows = [("claim", "bar", "measured", "met")]
    for one in claims:
        met = {True: "yes", False: "NO", None: ""}[one.met]
        rows.append((one.claim, one.bar, f"{_number(one.measured)}{_spaced(one.unit)}", met))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    ruler = f"|{'-' * (widths[0] + 2)}|{'-' * (widths[1] + 1)}:|{'-' * (widths[2] + 1)}:|{'-' * (widths[3] + 2)}|"
    lines = [f"| {a:<{widths[0]}} | {b:>{widths[1]}} | {c:>{widths[2]}} | {d:<{widths[3]}} |" for a, b, c, d in rows]
    return "\n".join([lines[0], ruler, *lines[1:]])


def machine() -> str:
    version = platform.python_version()
    return f"{_processor()}, {os.cpu_count()} cores, Python {version}, load {os.getloadavg()[0]:.1f}"


def report(script: str, claims: Callable[[bool], list[Claim]]) -> None:
    """Run a benchmark script: measure, print machine and table, and with `--write` store both."""
    parser = argparse.ArgumentParser(description=sys.modules["__main__"].__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer repeats")
    parser.add_argument("--write", action="store_true", help=f"put the table into docs/{PAGE.name}")
    options = parser.parse_args()
    found = claims(options.quick)
    sys.stdout.write(f"{machine()}\n\n{table(found)}\n")
    if options.write:
        write(Path(script).name, found)


def write(script: str, claims: list[Claim], page: Path = PAGE) -> None:
    """Replace the table of the script in the page. Raises LookupError if the page does not contain its two lines."""
    begin, end = f"<!-- {script} -->", f"<!-- end of {script} -->"
    text, fresh = page.read_text(encoding="utf-8"), f"{begin}\n{machine()}\n\n{table(claims)}\n{end}"
    place = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
    if not place.search(text):
        raise LookupError(f"{page} has no lines {begin!r} and {end!r}")
    page.write_text(place.sub(lambda _: fresh, text), encoding="utf-8")


def _spaced(unit: str) -> str:
    return f" {unit}" if unit and unit != "x" else unit


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _processor() -> str:
    try:
        names = re.findall(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE)
    except OSError:
        names = []
    return names[0] if names else platform.machine()
