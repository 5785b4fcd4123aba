"""`tuitrain export RUN --format F`: export the metrics or the network."""

import argparse
import sys
from pathlib import Path

from tuitrain.cli.checkpoints import checkpoint_or_last
from tuitrain.cli.output import print_json, print_message
from tuitrain.hosts.export import default_path, export
from tuitrain.runs.catalog.listing import find


def run(options: argparse.Namespace) -> int:
    folder = find(options.runs_dir, options.name)
    path = Path(options.output) if options.output else default_path(folder, options.format)
    exported = export(
        folder,
        options.format,
        path,
        checkpoint=checkpoint_or_last(folder, options.checkpoint)
        if options.format not in ("csv", "tensorboard")
        else "last",
        force=options.force,
        trust=options.trust,
        # pathlib drops the slash at the end.
        as_folder=bool(options.output) and options.output.endswith("/"),
        card=options.card,
        values=options.input,
    )
    if options.json:
        document = {"run": folder.id, "format": options.format, "path": str(path.absolute())}
        files = [str(file.absolute()) for file in exported.files]
        print_json(document | {"files": files, "check": exported.check or None})
        return 0
    if exported.check:
        print_message(exported.check)
    sys.stdout.write(f"{path}\n")
    return 0
