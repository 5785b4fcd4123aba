"""Print results to stdout and messages to stderr."""

import sys
from typing import TYPE_CHECKING, Any

from tuitrain.analysis import units
from tuitrain.analysis.text_tables import json_text
from tuitrain.runs.records import Score, State

if TYPE_CHECKING:
    from rich.console import Console


def print_json(value: Any) -> None:
    sys.stdout.write(json_text(value))


def print_message(line: str) -> None:
    sys.stderr.write(line + "\n")


def wide_console() -> "Console":
    """Return a console for tables on stdout, without a width limit if stdout is not a terminal."""
    from rich.console import Console

    return Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else 1000)


def format_scores(state: State) -> list[str]:
    """Return a line for the last epoch, and one for the best epoch if there is one."""
    last, best = (_format_score(state.train), _format_score(state.validation), _format_score(state.test)), state.best
    lines = ["last epoch: train {} · validation {} · test {}".format(*last)]
    if best is not None:
        best_scores = f"validation {_format_score(best.validation)} · test {_format_score(best.test)}"
        lines.append(f"best epoch ({best.epoch}, lowest validation loss): {best_scores}")
    return lines


def _format_score(value: Score | None) -> str:
    if value is None:
        return "-"
    parts = [units.percent(value.measured)] if value.measured is not None else []
    return " · ".join(parts + ([f"loss {value.loss:.4f}"] if value.loss is not None else [])) or "-"
