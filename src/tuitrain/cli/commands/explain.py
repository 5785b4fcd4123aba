"""`tuitrain explain RUN PATH|INDEX`: show what a prediction depends on, and the most similar training images."""

import argparse
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tuitrain.analysis import units
from tuitrain.cli.checkpoints import checkpoint_or_last
from tuitrain.cli.output import activities, print_json, print_line
from tuitrain.cli.table import write_table
from tuitrain.errors import ConfigError
from tuitrain.hosts.explain.explained import Explained, Neighbour, Source
from tuitrain.hosts.explain.explainer import opened
from tuitrain.hosts.explain.png import write_png
from tuitrain.output_file import check_output_file
from tuitrain.runs.catalog.listing import find
from tuitrain.text import did_you_mean, plain

# The largest side of the pictures in pixels.
SIDE = 512


def run(options: argparse.Namespace) -> int:
    folder = find(options.runs_dir, options.name)
    sources = [_source(text, options.split) for text in options.images]
    files = _files(options.images, options.output)
    for file in files:
        check_output_file(file, force=options.force)
    results = []
    checkpoint = checkpoint_or_last(folder, options.checkpoint)
    try:
        with opened(folder, checkpoint, options.device, activities(), trust=options.trust) as explainer:
            classes, of = explainer.classes, _class(options.of, explainer.classes)
            for source, file in zip(sources, files, strict=True):
                explained = explainer.explain(source, of, SIDE)
                write_png(explained, file)
                neighbours = explainer.neighbours(source, options.nearest, SIDE) if options.nearest else []
                results.append((explained, neighbours, file))
    finally:
        # If an image fails, the files of those before it are written.
        for explained, neighbours, file in () if options.json else results:
            _print(explained, neighbours, classes, file)
    if options.json:
        images = [_document(explained, neighbours, classes, file) for explained, neighbours, file in results]
        print_json({"run": folder.id, "checkpoint": checkpoint, "images": images})
    return 0


def _source(text: str, split: str) -> Source:
    """Return the image that the user named. Raise ConfigError if it is a file that does not exist."""
    if re.fullmatch(r"\d{1,15}", text, re.ASCII):
        return Source(split, index=int(text))
    if not os.path.lexists(text):
        raise ConfigError(f"There is no file {plain(text, 200)}.", "Name an image file, or the index of an image.")
    return Source(path=text)


def _files(images: Sequence[str], output: Path | None) -> list[Path]:
    """Return the PNG file of each image. Raise ConfigError if several images have the same."""
    if output is not None and len(images) == 1 and not output.is_dir():
        return [output]
    files = [(output or Path()) / f"explain-{Path(text).stem}.png" for text in images]
    if repeated := next((file for number, file in enumerate(files) if file in files[:number]), None):
        raise ConfigError(f"Two images would be written to {plain(repeated)}.", "Explain them one by one, with -o.")
    return files


def _class(text: str | None, classes: Sequence[str]) -> int | None:
    """Return the index of the class that is named `text`. Raise ConfigError if there is none."""
    if text is None:
        return None
    if text not in classes:
        hint = did_you_mean(text, classes) or f"Classes: {', '.join(classes[:20])}."
        raise ConfigError(f"The run has no class {plain(text, 60)!r}.", hint)
    return list(classes).index(text)


def _print(explained: Explained, neighbours: Sequence[Neighbour], classes: Sequence[str], file: Path) -> None:
    print_line(" · ".join(_facts(explained, classes)))
    if explained.is_cold:
        print_line(f"no part of the image raises the score of {classes[explained.explained]}")
    print_line(f"{explained.method}: {plain(file)}")
    if neighbours:
        titles = ["nearest", "similarity", "training image"]
        rows = [[classes[each.label], f"{each.similarity:.3f}", each.file or str(each.index)] for each in neighbours]
        write_table([titles, *rows], (1,))


def _facts(explained: Explained, classes: Sequence[str]) -> Iterator[str]:
    yield explained.name
    if explained.true is not None:
        yield f"true {classes[explained.true]}"
    if explained.explained != explained.predicted:
        yield f"predicted {classes[explained.predicted]}"
    verb = "predicted" if explained.explained == explained.predicted else "explained"
    yield f"{verb} {classes[explained.explained]} {units.percent(explained.probability)}"


def _document(
    explained: Explained, neighbours: Sequence[Neighbour], classes: Sequence[str], file: Path
) -> dict[str, Any]:
    return {
        "image": explained.name,
        "true": None if explained.true is None else classes[explained.true],
        "predicted": classes[explained.predicted],
        "explained": classes[explained.explained],
        "probability": explained.probability,
        "method": explained.method,
        "picture": str(file),
        "nearest": [
            {"index": each.index, "file": each.file, "label": classes[each.label], "similarity": each.similarity}
            for each in neighbours
        ],
    }
