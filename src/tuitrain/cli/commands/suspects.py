"""`tuitrain suspects RUN`: list the images whose label is likely wrong, and those that the data set has twice."""

import argparse
from collections.abc import Sequence
from typing import Any

from msgspec.structs import asdict

from tuitrain.analysis import units
from tuitrain.analysis.text_tables import csv_text
from tuitrain.cli.checkpoints import checkpoint_or_last
from tuitrain.cli.output import activities, print_json, print_line
from tuitrain.cli.prediction_output import LONGEST
from tuitrain.cli.table import write_table
from tuitrain.errors import RunError
from tuitrain.hosts.suspects.find import find_suspects
from tuitrain.hosts.suspects.report import Image, Pair, Report, Suspect
from tuitrain.runs.catalog.listing import find
from tuitrain.text import counted

# Rows of the tables for people.
TOP = 20


def run(options: argparse.Namespace) -> int:
    folder = find(options.runs_dir, options.name)
    checkpoint = checkpoint_or_last(folder, options.checkpoint)
    report = find_suspects(folder, checkpoint, options.device, activities(), trust=options.trust)
    suspects, pairs = list(report.suspects), list(report.pairs)
    if options.split:
        suspects = [suspect for suspect in suspects if suspect.image.split == options.split]
        pairs = [pair for pair in pairs if options.split in (pair.first.split, pair.second.split)]
        if not suspects:
            raise RunError(f"The run has no {options.split} split.", "Choose another split.")
    if options.json:
        print_json({"run": folder.id, "checkpoint": checkpoint, **_document(report, suspects[: options.top], pairs)})
    elif options.csv:
        _print_csv(suspects[: options.top], report.classes)
    else:
        _print(suspects, pairs, report, options.top or TOP)
    return 0


def _document(report: Report, suspects: Sequence[Suspect], pairs: Sequence[Pair]) -> dict[str, Any]:
    def described(image: Image) -> dict[str, Any]:
        return asdict(image) | {"label": report.classes[image.label]}

    return {
        "warning": report.warning or None,
        "suspects": [
            described(each.image)
            | {
                "suggested": report.classes[each.suggested],
                "probability": each.probability,
                "margin": each.margin,
                "wrong": each.wrong,
            }
            for each in suspects
        ],
        "duplicates": [
            {
                "first": described(pair.first),
                "second": described(pair.second),
                "exact": pair.exact,
                "similarity": pair.similarity,
            }
            for pair in pairs
        ],
    }


def _print_csv(suspects: Sequence[Suspect], classes: Sequence[str]) -> None:
    titles: list[str | float | None] = [
        "file",
        "label",
        "suggested",
        "split",
        "index",
        "probability",
        "margin",
        "wrong",
    ]
    rows: list[list[str | float | None]] = [
        [
            each.image.file, classes[each.image.label], classes[each.suggested], each.image.split, each.image.index,
            round(each.probability, 4), round(each.margin, 4), "yes" if each.wrong else "no",
        ]
        for each in suspects
    ]  # fmt: skip
    print_line(csv_text([titles, *rows], LONGEST).rstrip("\n"))


def _print(suspects: Sequence[Suspect], pairs: Sequence[Pair], report: Report, top: int) -> None:
    wrong, classes = sum(each.wrong for each in suspects), report.classes
    warning = f" · {report.warning}" if report.warning else ""
    print_line(f"{wrong:,} of {len(suspects):,} labels {'is' if wrong == 1 else 'are'} likely wrong{warning}")
    titles = ["split", "image", "label", "suggested", "probability of label", "margin", ""]
    rows = [
        [
            each.image.split, each.image.name, classes[each.image.label], classes[each.suggested],
            units.percent(each.probability), f"{each.margin:+.3f}", "likely wrong" if each.wrong else "",
        ]
        for each in suspects[:top]
    ]  # fmt: skip
    write_table([titles, *rows], (4, 5))
    if not pairs:
        print_line("no duplicates")
        return
    print_line(f"\n{counted(len(pairs), 'pair')} of duplicates, those across splits first")
    lines = [
        [_place(pair.first), classes[pair.first.label], _place(pair.second), classes[pair.second.label], _kind(pair)]
        for pair in pairs[:top]
    ]
    write_table([["image", "label", "is also", "label", ""], *lines])


def _place(image: Image) -> str:
    return f"{image.split} {image.name}"


def _kind(pair: Pair) -> str:
    kind = "identical" if pair.exact else f"similarity {pair.similarity:.3f}"
    return kind if pair.first.label == pair.second.label else f"{kind}, other label"
