"""`tuitrain learning-curve RUN`: train on parts of the data, and tell whether more data would help."""

import argparse

from tuitrain.cli.commands.sweep import train_sweep
from tuitrain.cli.output import print_json, print_message
from tuitrain.cli.sweep_output import curve_document, describe_size, exit_status, print_curve, print_queued
from tuitrain.config.sweeps.fractions import FRACTIONS, SEEDS, fractions_sweep
from tuitrain.config.sweeps.sweep import Sweep
from tuitrain.config.sweeps.toml import dumps
from tuitrain.hosts.sweeps.background import start_sweep_in_background
from tuitrain.hosts.sweeps.create import start_new_sweep
from tuitrain.hosts.trust import check, run_origin, sweep_code, sweep_key
from tuitrain.runs.catalog.listing import find
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.sweeps.folder import SweepFolder
from tuitrain.runs.sweeps.index import SweepIndex, sweep_status
from tuitrain.text import plain


def run(options: argparse.Namespace) -> int:
    run = find(options.runs_dir, options.name)
    run.check_writable()
    sweep = fractions_sweep(run.config(), run.name(), options.fractions or FRACTIONS, options.seeds or SEEDS)
    folder = _create(run, sweep, options)
    allowed = sweep_key(sweep_code(sweep))
    if options.detach:
        start_sweep_in_background(folder, allowed_key=allowed)
        print_message(f"The runs train in the background. Their curve: tuitrain sweep {plain(folder.id)} --show")
        print_queued(folder, "sweep", as_json=options.json)
        return 0
    ended = train_sweep(folder, None, allowed)
    if not ended:
        print_message(f"Resume it with: tuitrain sweep {plain(folder.id)}")
    outcomes = SweepIndex(folder).refresh()
    if options.json:
        status = sweep_status(folder, outcomes)
        document = curve_document(sweep, outcomes)
        print_json({"sweep": folder.id, "path": str(folder.path), "status": status, **document})
    else:
        print_curve(sweep, outcomes)
    return exit_status(outcomes) if ended else 130


def _create(run: RunFolder, sweep: Sweep, options: argparse.Namespace) -> SweepFolder:
    """Create the sweep, if the user has allowed the code of the run."""
    code = sweep_code(sweep)
    check(run_origin(run), code, trust=options.trust)
    for item in code:
        print_message(str(item))
    folder = start_new_sweep(options.runs_dir, dumps(sweep))
    print_message(f"sweep {plain(folder.path, 1000)}: {describe_size(sweep)}")
    return folder
