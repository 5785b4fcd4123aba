"""`tuitrain evaluate RUN`: evaluate a checkpoint on a split."""

import argparse
import sys

from tuitrain.analysis import units
from tuitrain.analysis.confusion import correct_and_total
from tuitrain.cli.commands.show import evaluation_document
from tuitrain.cli.output import print_json, print_message, progress
from tuitrain.hosts.evaluate import evaluate_checkpoint, images_changed
from tuitrain.runs.catalog.listing import find


def run(options: argparse.Namespace) -> int:
    folder = find(options.runs_dir, options.name)
    with progress() as show:
        evaluation = evaluate_checkpoint(
            folder, options.split, options.checkpoint, options.device, show, options.set, trust=options.trust
        )
    changed = images_changed(folder, evaluation)
    if changed:
        print_message(
            f"These are not the {evaluation.split} images of the run; the run keeps its own evaluation beside this one."
        )
    if options.json:
        print_json({"run": folder.id, "other_images": changed, **evaluation_document(evaluation)})
    else:
        loss = "not finite" if evaluation.loss is None else f"{evaluation.loss:.4f}"
        correct, count = correct_and_total(evaluation.confusion)
        accuracy = units.percent(evaluation.accuracy)
        sys.stdout.write(f"{evaluation.split} {accuracy} ({correct:,} of {count:,}) · loss {loss}\n")
    return 0
