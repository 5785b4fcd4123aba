"""`tuitrain evaluate RUN`: a split, looked at with a checkpoint of the run."""

import argparse
import sys

from tuitrain.analysis import units
from tuitrain.cli.output import document, talk
from tuitrain.cli.show import evaluation_document
from tuitrain.hosts.evaluate import evaluate_checkpoint
from tuitrain.runs.catalog.listing import find
from tuitrain.text import plain


def run(options: argparse.Namespace) -> int:
    folder = find(options.runs_dir, options.name)
    seen = evaluate_checkpoint(
        folder, options.split, options.checkpoint, options.device, lambda what, _: talk(plain(what))
    )
    if options.json:
        document({"run": folder.id, **evaluation_document(seen)})
    else:
        loss = "not finite" if seen.loss is None else f"{seen.loss:.4f}"
        right, count = sum(row[i] for i, row in enumerate(seen.confusion)), sum(map(sum, seen.confusion))
        sys.stdout.write(f"{seen.split} {units.percent(seen.accuracy)} ({right:,} of {count:,}) · loss {loss}\n")
    return 0
