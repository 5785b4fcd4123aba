"""Describe the accuracy on corrupted images in words and in a table."""

from statistics import fmean
from typing import Any

import msgspec

from tuitrain.analysis import units
from tuitrain.analysis.text_tables import Lines
from tuitrain.runs.robustness import STRENGTHS, CorruptionName, Robustness
from tuitrain.text import counted

TITLES: dict[CorruptionName, str] = {"noise": "noise", "blur": "blur", "brightness": "brightness", "jpeg": "JPEG"}


def summary(record: Robustness) -> str:
    """Return `clean 97.50 % · corrupted 81.20 % · test, best weights, epoch 9 · 360 images · CIFAR-10-C`."""
    accuracy = f"clean {units.percent(record.clean)} · corrupted {units.percent(record.mean)}"
    where = f"{record.split}, {record.checkpoint} weights, epoch {record.epoch}"
    return f"{accuracy} · {where} · {counted(record.images, 'image')} · {record.benchmark}"


def table(record: Robustness) -> Lines:
    """Return a line per corruption with the accuracy at each strength and their mean, titles first, means last."""
    strengths = [str(strength) for strength in range(1, STRENGTHS + 1)]
    rows = [(TITLES[name], [*values, fmean(values)]) for name, values in record.corrupted.items()]
    rows.append(("mean", [*map(fmean, zip(*record.corrupted.values(), strict=True)), record.mean]))
    return [["corruption", *strengths, "mean"], *([title, *map(units.percent, values)] for title, values in rows)]


def document(record: Robustness) -> dict[str, Any]:
    """Return what JSON output says about a record."""
    return {**msgspec.to_builtins(record), "mean": record.mean}
