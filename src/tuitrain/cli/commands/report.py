"""`tuitrain report RUN...`: write a report of one run, or of several and their comparison."""

import argparse
import sys

from tuitrain.cli.output import print_json
from tuitrain.report.write import default_path, write_report
from tuitrain.runs.catalog.listing import find_all


def run(options: argparse.Namespace) -> int:
    folders = list({folder.id: folder for folder in find_all(options.runs_dir, options.names)}.values())
    path = options.output or default_path(folders)
    files = write_report(folders, path, force=options.force)
    if options.json:
        names = [str(file.absolute()) for file in files]
        print_json({"runs": [folder.id for folder in folders], "path": names[0], "files": names})
    else:
        sys.stdout.write(f"{path}\n")
    return 0
