"""`tuitrain predict RUN PATH...`: classify new pictures."""

import argparse
import os
import sys
from collections.abc import Generator, Iterator
from contextlib import closing
from select import select

from tuitrain.cli.checkpoints import checkpoint_or_last
from tuitrain.cli.prediction_output import LONGEST, Lines, prediction_output
from tuitrain.cli.progress import PredictionProgress
from tuitrain.errors import TuitrainError
from tuitrain.hosts.predict import Prediction, predict
from tuitrain.image_folder.pictures import describe, find_pictures
from tuitrain.image_folder.walk import Skipped
from tuitrain.runs.catalog.listing import find
from tuitrain.text import plain

# Seconds to wait for further paths on standard input before the present ones are classified.
PATIENCE = 0.1


def run(options: argparse.Namespace) -> int:
    """Return 0 if all pictures are classified, 1 if some cannot be read or there is none, 130 after ctrl+c."""
    skipped, folder = Skipped(), find(options.runs_dir, options.name)
    checkpoint = checkpoint_or_last(folder, options.checkpoint)
    with PredictionProgress() as progress:
        refused = _Refused(progress)
        predictions = predict(
            folder,
            find_pictures(_paths(options), skipped, refused.add),
            lambda activity, _: progress.show(activity),
            lambda note: progress.print(plain(note, LONGEST)),
            top=options.top,
            which=checkpoint,
            device=options.device,
            augmented=options.tta,
            trust=options.trust,
        )
        # The stream of now: while the network computes, sys.stdout is the log's.
        output = prediction_output(options, sys.stdout)
        stopped = _write_all(predictions, output, refused, progress)
        for note in describe(skipped):
            progress.print(note)
        if not (output.written or refused.count or stopped):
            progress.print("no pictures")
        elif output.written != 1 or refused.count:
            progress.print(progress.summary(refused.count))
    return 130 if stopped else 1 if refused.count or not output.written else 0


class _Refused:
    """Counts and names the paths that lead to no picture."""

    def __init__(self, progress: PredictionProgress) -> None:
        self.count, self._progress = 0, progress

    def add(self, path: str, reason: str) -> None:
        self.count += 1
        self._progress.print(f"{plain(path, LONGEST)}: {plain(reason)}")


def _write_all(
    predictions: Generator[Prediction], output: Lines, refused: _Refused, progress: PredictionProgress
) -> bool:
    """Write the predictions as they arrive, until the reader is gone. Return whether ctrl+c ended them."""
    stopped = False
    try:
        with closing(predictions):
            for found in predictions:
                if found.problem:
                    refused.add(found.path, found.problem)
                else:
                    output.write(found)
                    progress.count()
                if getattr(output.output, "lost", False):
                    break
    except KeyboardInterrupt:
        stopped = True
    except TuitrainError:
        if output.written:
            output.close()
        raise
    output.close()
    return stopped


def _paths(options: argparse.Namespace) -> Iterator[str | None]:
    """Yield the paths on the command line and, in place of `-`, those on standard input as they arrive."""
    for path in options.paths:
        if path == "-":
            yield from _read_paths(b"\0" if options.null else b"\n")
        else:
            yield path


def _read_paths(end: bytes) -> Iterator[str | None]:
    """Yield the paths on standard input, and None before it waits for more."""
    rest = b""
    while True:
        if not select([0], [], [], PATIENCE)[0]:
            yield None
        if not (block := os.read(0, 65536)):
            break
        *names, rest = (rest + block).split(end)
        yield from map(os.fsdecode, filter(None, names))
    if rest:
        yield os.fsdecode(rest)
