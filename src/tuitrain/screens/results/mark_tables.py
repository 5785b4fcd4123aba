"""Tables of marked labels, which the settings data.labels and data.exclude read."""

from collections.abc import Mapping, Sequence
from functools import partial

from tuitrain.analysis.text_tables import Lines, csv_text
from tuitrain.hosts.suspects.report import Report
from tuitrain.runs.marks import COLUMNS, WRONG, Mark
from tuitrain.screens.export import Export

# The longest path on Linux.
_LONGEST = 4096


def mark_exports(report: Report, marks: Mapping[str, Mark]) -> Sequence[Export]:
    tables = (
        ("marks", "all marks", [COLUMNS, *((key, *mark) for key, mark in marks.items())]),
        ("labels", "all labels, corrected where marked wrong, for data.labels", corrected_labels(report, marks)),
        ("exclude", "the images marked wrong, for data.exclude", excluded_images(marks)),
    )
    return [Export(name, words, f"{name}.csv", partial(csv_text, lines, _LONGEST)) for name, words, lines in tables]


def excluded_images(marks: Mapping[str, Mark]) -> Lines:
    return [["file"], *([key] for key, mark in marks.items() if mark.mark == WRONG)]


def corrected_labels(report: Report, marks: Mapping[str, Mark]) -> Lines:
    """Return the labels and splits of all images: a run with data.labels uses no others."""
    rows = [["file", "label", "split"]]
    for suspect in report.suspects:
        image, label = suspect.image, report.classes[suspect.image.label]
        mark = marks.get(image.key)
        # A label that has changed since it was marked is not corrected.
        wrong = mark is not None and mark.mark == WRONG and mark.label == label and mark.suggested
        rows.append([image.key, mark.suggested if mark and wrong else label, image.split])
    return rows
