"""`tuitrain export RUN --format F`: export metrics or weights."""

import argparse
import sys

from tuitrain.cli.output import print_json
from tuitrain.hosts.export import default_path, export
from tuitrain.runs.catalog.listing import find


def run(options: argparse.Namespace) -> int:
    folder = find(options.runs_dir, options.name)
    path = options.output or default_path(folder, options.format)
    export(folder, options.format, path, checkpoint=options.checkpoint, force=options.force, trust=options.trust)
    if options.json:
        print_json({"run": folder.id, "format": options.format, "path": str(path.absolute())})
    else:
        sys.stdout.write(f"{path}\n")
    return 0
