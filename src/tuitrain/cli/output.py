"""Print results to stdout and messages to stderr."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any

from tuitrain.analysis.summary import best_value, moment, score_in_words
from tuitrain.analysis.text_tables import json_text
from tuitrain.runs.records import Score, State
from tuitrain.text import plain

# Seconds between two lines about the same activity.
PAUSE = 30.0


def print_json(value: Any) -> None:
    sys.stdout.write(json_text(value))


def print_message(line: str) -> None:
    sys.stderr.write(line + "\n")


def print_line(line: str) -> None:
    sys.stdout.write(line + "\n")


def activities(write: Callable[[str], object] | None = None) -> Callable[[str, float | None], None]:
    """Return a function that writes a line for each activity, and another one every `PAUSE` seconds while it lasts: by
    default to stderr, also while the output of the run's code is captured."""
    stream, last, printed = sys.stderr, "", monotonic()

    def show(what: str, _: float | None) -> None:
        nonlocal last, printed
        activity = plain(what)
        # Counts follow a colon, and change several times per second: `reading: 1,200 of 4,000 images`.
        name = activity.partition(":")[0]
        if name != last or monotonic() - printed > PAUSE:
            if write:
                write(activity)
            else:
                stream.write(f"{activity}\n")
            last, printed = name, monotonic()

    return show


@contextmanager
def progress() -> Iterator[Callable[[str, float | None], None]]:
    """Show each activity and how far it is in a bar on a terminal, and otherwise in a line, also while the output of
    the run's code is captured."""
    if not sys.stderr.isatty():
        yield activities()
        return
    from tuitrain.cli.progress import RunProgress  # Imports Rich.

    with RunProgress() as bar:
        yield lambda what, fraction: bar.prepare(plain(what), fraction)


def format_scores(state: State) -> list[str]:
    """Return a line for the last epoch, and one for the best epoch if there is one."""
    last, best = (_format_score(state.train), _format_score(state.validation), _format_score(state.test)), state.best
    lines = ["last epoch: train {} · validation {} · test {}".format(*last)]
    if best is not None:
        best_scores = f"validation {_format_score(best.validation)} · test {_format_score(best.test)}"
        value = f" {best_value(best)}" if best.metric in ("macro-f1", "balanced-accuracy") else ""
        when = f"epoch ({best.epoch}" if best.epoch else f"({moment(best)}"
        lines.append(f"best {when}, {best.criterion}{value}): {best_scores}")
    return lines


def _format_score(value: Score | None) -> str:
    return "-" if value is None else score_in_words(value) or "-"
