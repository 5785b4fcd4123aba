"""`tuitrain robustness RUN`: evaluate a run under noise, blur, brightness and JPEG compression."""

import argparse

from tuitrain.analysis.robustness import document, summary, table
from tuitrain.cli.output import activities, print_json, print_line
from tuitrain.cli.table import write_table
from tuitrain.hosts.robustness.evaluate import evaluate_robustness
from tuitrain.runs.catalog.listing import find


def run(options: argparse.Namespace) -> int:
    folder = find(options.runs_dir, options.name)
    record = evaluate_robustness(
        folder, options.split, options.checkpoint, options.device, activities(), trust=options.trust
    )
    if options.json:
        print_json({"run": folder.id, **document(record)})
        return 0
    print_line(summary(record))
    lines = table(record)
    write_table(lines, range(1, len(lines[0])))
    return 0
