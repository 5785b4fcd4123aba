"""Print predictions as they arrive: as lines, CSV or one JSON document."""

import argparse
from typing import TextIO

from tuitrain.analysis import units
from tuitrain.analysis.text_tables import csv_text, json_line
from tuitrain.hosts.predict import Prediction
from tuitrain.text import plain

# The longest path on Linux.
LONGEST = 4096


class Lines:
    """A line per picture for people: `photo.jpg: ship 98.06 % · bird 1.20 %`. Below `threshold`, the best class is
    only a guess."""

    def __init__(self, output: TextIO, threshold: float) -> None:
        self.output, self.threshold, self.written = output, threshold, 0

    def write(self, found: Prediction) -> None:
        self.output.write(self.text(found))
        self.written += 1

    def text(self, found: Prediction) -> str:
        guesses = [f"{plain(guess.name, 60)} {units.percent(guess.probability)}" for guess in found.top]
        unsure = ["unsure"] if found.best.probability < self.threshold else []
        return f"{plain(found.path, LONGEST)}: {' · '.join(unsure + guesses)}\n"

    def close(self) -> None:
        """Complete the document."""

    def label(self, found: Prediction) -> str | None:
        """Return the class, or None if its probability is below the threshold."""
        return None if found.best.probability < self.threshold else found.best.name


class Csv(Lines):
    """CSV with the columns path, class and probability, then class_2, probability_2 and so on."""

    def text(self, found: Prediction) -> str:
        row: list[str | float | None] = [found.path, self.label(found), _rounded(found.best.probability)]
        for guess in found.top[1:]:
            row += [guess.name, _rounded(guess.probability)]
        titles = "" if self.written else self._titles(len(found.top))
        return titles + csv_text([row], LONGEST)

    def _titles(self, count: int) -> str:
        more = [f"{what}_{number}" for number in range(2, count + 1) for what in ("class", "probability")]
        return csv_text([["path", "class", "probability", *more]])

    def close(self) -> None:
        if not self.written:
            self.output.write(self._titles(1))


class Json(Lines):
    """A JSON list with one line per picture, so that it never needs to be in memory."""

    def text(self, found: Prediction) -> str:
        top = [{"class": guess.name, "probability": _rounded(guess.probability)} for guess in found.top]
        best = _rounded(found.best.probability)
        entry = {"path": found.path, "class": self.label(found), "probability": best, "top": top}
        return f"{',' if self.written else '['}\n{json_line(entry)}"

    def close(self) -> None:
        self.output.write("\n]\n" if self.written else "[]\n")


def prediction_output(options: argparse.Namespace, output: TextIO) -> Lines:
    """Return the writer of the form that the options choose."""
    return (Json if options.json else Csv if options.csv else Lines)(output, options.threshold)


def _rounded(probability: float) -> float:
    # A float32 has seven digits.
    return float(f"{probability:.7g}")
