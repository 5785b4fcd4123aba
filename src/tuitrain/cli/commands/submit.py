"""`tuitrain submit`: submit a run to Slurm, or the continuation of one."""

import argparse
import shlex
import sys

from tuitrain.cli.commands.resume import check_continuation
from tuitrain.cli.commands.train import given_config
from tuitrain.cli.output import print_json, print_message
from tuitrain.errors import ConfigError
from tuitrain.hosts.launch import RunSpec
from tuitrain.hosts.resumable import change_settings
from tuitrain.hosts.slurm.script import check_options
from tuitrain.hosts.slurm.submit import resubmit_run, submit_run
from tuitrain.hosts.trust import check_run
from tuitrain.runs.catalog.listing import find
from tuitrain.runs.folder import RunFolder
from tuitrain.text import plain


def run(options: argparse.Namespace) -> int:
    check_options(options.sbatch)
    folder = _submit_again(options) if options.resume is not None else _submit_new(options)
    waiting = folder.state().waiting
    job = waiting.job if waiting else ""
    print_message(f"Slurm job {job or 'started'}. Watch the run: tuitrain attach {plain(folder.id)}")
    if options.json:
        print_json({"run": folder.id, "path": str(folder.path), "status": "queued", "job": job})
    else:
        sys.stdout.write(f"{folder.id}\n")
    return 0


def _submit_new(options: argparse.Namespace) -> RunFolder:
    if options.epochs or options.schedule:
        raise ConfigError("--epochs and --schedule need --resume RUN.", "For a new run: --set training.epochs=N")
    config, original = given_config(options)
    if (folds := config.training.folds) is not None:
        raise ConfigError(
            f"training.folds = {folds} makes several runs.", "Submit them as a sweep: tuitrain sweep --submit N"
        )
    command = shlex.join(["tuitrain", *sys.argv[1:]])
    spec = RunSpec(config=config, runs_dir=options.runs_dir, name=options.name, original=original, command=command)
    return submit_run(spec, options.sbatch)


def _submit_again(options: argparse.Namespace) -> RunFolder:
    if options.config is not None or options.name:
        raise ConfigError("-c and --name are for a new run and cannot be combined with --resume.")
    folder = find(options.runs_dir, options.resume)
    folder.check_writable()
    epochs, schedule = check_continuation(folder, options)
    allowed, lines = check_run(folder, trust=options.trust)
    for line in lines:
        print_message(line)
    change_settings(folder, options.set)
    resubmit_run(folder, options.sbatch, epochs, allowed, schedule)
    return folder
