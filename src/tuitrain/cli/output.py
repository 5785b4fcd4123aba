"""Results go to stdout, talk to stderr."""

import re
import sys
from typing import TYPE_CHECKING, Any

import msgspec

from tuitrain.analysis import units
from tuitrain.runs.records import Score, State

if TYPE_CHECKING:
    from rich.console import Console


# What JSON does not escape and a terminal obeys.
_CONTROLS = re.compile("[\x7f-\x9f\u200e\u200f\u202a-\u202e\u2028\u2029\u2066-\u2069]")


def document(value: Any) -> None:
    """One JSON document on stdout."""
    text = msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
    sys.stdout.write(_CONTROLS.sub(lambda found: f"\\u{ord(found[0]):04x}", text) + "\n")


def talk(line: str) -> None:
    """A line on stderr."""
    sys.stderr.write(line + "\n")


def wide_console() -> "Console":
    """For tables on stdout: as wide as the terminal, or as wide as they are where they go into a pipe."""
    from rich.console import Console

    return Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else 1000)


def scores(state: State) -> list[str]:
    """A line for the last epoch, and one for the best where there is one."""
    last, best = (_score(state.train), _score(state.validation), _score(state.test)), state.best
    lines = ["last epoch: train {} · validation {} · test {}".format(*last)]
    if best is not None:
        found = f"validation {_score(best.validation)} · test {_score(best.test)}"
        lines.append(f"best epoch ({best.epoch}, lowest validation loss): {found}")
    return lines


def _score(value: Score | None) -> str:
    if value is None:
        return "-"
    parts = [units.percent(value.measured)] if value.measured is not None else []
    return " · ".join(parts + ([f"loss {value.loss:.4f}"] if value.loss is not None else [])) or "-"
