"""`tuitrain verdict RUN`: compare a run with simple classifiers, and suggest the next step."""

import argparse

from tuitrain.analysis import units
from tuitrain.cli.output import activities, print_json
from tuitrain.cli.table import write_table
from tuitrain.cli.verdict_output import document, print_sentences
from tuitrain.hosts.verdict.find import find_verdict
from tuitrain.runs.catalog.listing import find
from tuitrain.text import counted


def run(options: argparse.Namespace) -> int:
    folder = find(options.runs_dir, options.name)
    found = find_verdict(folder, options.device, activities(), trust=options.trust)
    if options.json:
        print_json({"run": folder.id, **document(found)})
        return 0
    rows = [["network", units.percent(found.accuracy), found.interval_text]]
    rows += [[each.title, units.percent(each.accuracy), ""] for each in found.ranked_baselines]
    write_table(
        [[counted(found.images, f"{found.split} image"), "accuracy", "95 % interval"], *rows],
        right=(1, 2),
    )
    print_sentences(found)
    return 0
