"""Write the rows of a run as one CSV table in long format, as pandas, R and spreadsheets read it."""

import csv
import io
from array import array
from collections.abc import Iterator, Sequence
from math import isfinite

from tuitrain.runs.follower import Curve, Follower
from tuitrain.text import plain

COLUMNS = ("epoch", "seconds", "time", "loss", "accuracy", "best", "lr", "grad_norm")


def text(run: Follower) -> str:
    """Return the rows by step, training before evaluation; unknown and non-finite numbers are empty."""
    layers = [
        f"grad_norm.{plain(run.info.layers[layer]) if layer < len(run.info.layers) else layer}"
        for layer in range(len(run.layers))
    ]
    lines = [*_lines("train", run.train, run.layers)]
    for split, curve in run.evaluations.items():
        lines += _lines(split, curve, [None] * len(run.layers))
    file = io.StringIO()
    table = csv.writer(file, lineterminator="\n")
    table.writerow(["split", "step", *COLUMNS, *layers])
    # Sorting is stable: training rows stay before evaluations of the same step.
    for _, line in sorted(lines, key=lambda pair: pair[0]):
        table.writerow(line)
    return file.getvalue()


def _lines(split: str, curve: Curve, layers: "Sequence[array[float] | None]") -> Iterator[tuple[int, list[object]]]:
    columns = [*(curve.columns.get(name) for name in COLUMNS), *layers]
    for index, step in enumerate(curve.step):
        numbers = [None if column is None else column[index] for column in columns]
        yield step, [split, step, *("" if value is None or not isfinite(value) else _short(value) for value in numbers)]


def _short(value: float) -> float | int:
    """Return whole numbers, such as epochs, as int."""
    return int(value) if value.is_integer() and abs(value) < 2**53 else value
