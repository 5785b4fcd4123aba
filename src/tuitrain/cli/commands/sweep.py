"""`tuitrain sweep`: start, resume, extend or control a sweep."""

import argparse
import signal
import sys
from contextlib import nullcontext
from types import FrameType

from tuitrain.cli.commands.train import check_file, check_queueing, describe_queue
from tuitrain.cli.output import print_json, print_message
from tuitrain.cli.slurm_output import update_from_slurm
from tuitrain.cli.sweep_output import SweepProgress, describe_size, print_queued, print_result
from tuitrain.config.code import code_of
from tuitrain.config.sweeps.overrides import override_sweep, parse_option_overrides, parse_trials
from tuitrain.config.sweeps.sweep import Sweep, Values, sweep_settings
from tuitrain.config.sweeps.toml import dumps, read
from tuitrain.config.values import parse_value
from tuitrain.errors import ConfigError, RunError
from tuitrain.hosts.queue.enqueue import check_queueable, enqueue_sweep
from tuitrain.hosts.slurm.script import check_options, removed_if_refused
from tuitrain.hosts.slurm.sweep import submit_sweep
from tuitrain.hosts.sweeps.background import start_sweep_in_background, stop_sweep
from tuitrain.hosts.sweeps.create import start_new_sweep
from tuitrain.hosts.sweeps.pool import WorkerPool
from tuitrain.hosts.trust import check_sweep, remember, sweep_code, sweep_key, sweep_origin
from tuitrain.runs.sweeps.catalog import find_sweep, list_sweeps
from tuitrain.runs.sweeps.folder import SweepFolder
from tuitrain.runs.sweeps.index import SweepIndex, sweep_status
from tuitrain.runs.waiting import in_queue
from tuitrain.text import counted, plain


def run(options: argparse.Namespace) -> int:
    if options.parallel is not None:
        options.parallel = parse_value(sweep_settings()["sweep.parallel"], options.parallel)
    check_queueing(options)
    if options.name is None and not any((options.config, options.set, options.add, options.say, options.first)):
        return _list(options)
    _check_together(options)
    folder = find_sweep(options.runs_dir, options.name) if options.name is not None else _create(options)
    if options.say or options.first:
        return _control(folder, options)
    if options.name is not None:
        if not folder.sessions():
            check_sweep(folder, trust=options.trust, key=options.allowed)
        if _extend(folder, options):
            return 0
    allowed = _check_code(folder, options)
    if options.submit:
        return _submit(folder, options, allowed)
    if options.queue:
        return queue_sweep(folder, "sweep", options)
    return _train(folder, options, allowed)


def _check_together(options: argparse.Namespace) -> None:
    """Raise ConfigError if an option contradicts another, or needs another."""
    if options.submit:
        check_options(options.sbatch)
        if options.detach or options.queue:
            raise ConfigError("--submit cannot be combined with --detach or --queue.", "Choose one of them.")
    elif options.sbatch:
        raise ConfigError("--sbatch needs --submit N.", "For example: --submit 8")
    if options.name is None and (options.say or options.first):
        option = options.say or "first"
        raise ConfigError(f"--{option} needs an existing SWEEP.", "List sweeps with: tuitrain sweep")


def _train(folder: SweepFolder, options: argparse.Namespace, allowed: str) -> int:
    check_not_queued(folder)
    if options.detach:
        start_sweep_in_background(folder, options.parallel, allowed)
        hint = f"Watch it: tuitrain, then S. Stop it: tuitrain sweep {folder.id} --stop"
        print_message(f"The sweep runs in the background. {hint}")
        if not options.json:
            sys.stdout.write(f"{folder.id}\n")
            return 0
    elif not train_sweep(folder, options.parallel, allowed):
        print_message(f"Resume it with: tuitrain sweep {plain(folder.id)}")
        print_result(folder, options.json)
        return 130
    return print_result(folder, options.json)


def _submit(folder: SweepFolder, options: argparse.Namespace, allowed: str) -> int:
    with removed_if_refused(folder.path) if options.name is None else nullcontext():
        job = submit_sweep(folder, options.submit, options.sbatch, allowed)
    print_message(f"Slurm job {job}. Watch the sweep: tuitrain, then S. Stop it: tuitrain sweep {folder.id} --stop")
    if options.json:
        print_json({"sweep": folder.id, "path": str(folder.path), "status": "queued", "job": job})
    else:
        sys.stdout.write(f"{folder.id}\n")
    return 0


def queue_sweep(folder: SweepFolder, key: str, options: argparse.Namespace) -> int:
    """Put the runs of a sweep into the queue; print the sweep's id, in JSON under the name `key`."""
    count = enqueue_sweep(folder, options.priority or 0)
    runs = counted(count, "run")
    print_message(f"{runs} of the sweep wait in the queue. {describe_queue(options.runs_dir)}")
    print_queued(folder, key, as_json=options.json)
    return 0


def check_not_queued(folder: SweepFolder) -> None:
    """Raise RunError if runs of the sweep wait in the queue, which alone may start them."""
    if any(outcome.state is not None and in_queue(outcome.state) for outcome in SweepIndex(folder).refresh()):
        id = plain(folder.id)
        raise RunError(
            f"Runs of the sweep {id} wait in the queue.",
            f"Train them: tuitrain queue --detach, or take them out: tuitrain queue cancel {id}",
        )


def _create(options: argparse.Namespace) -> SweepFolder:
    sweep, original = read(options.config) if options.config else (Sweep(), "")
    sweep = override_sweep(sweep, [*options.set, *_counts(options)], _added_trials(options))
    check_file(options, sweep_code(sweep), _added_trials(options))
    if options.queue:
        check_queueable(sweep)
    folder = start_new_sweep(options.runs_dir, dumps(sweep, original))
    print_message(f"sweep {plain(folder.path, 1000)}: {describe_size(sweep)}")
    if repeated := sweep.repeated_trials:
        print_message(f"{repeated:,} of the trials repeat others: they differ only in settings that they do not use")
    return folder


def _check_code(folder: SweepFolder, options: argparse.Namespace) -> str:
    """Return the `sweep_key` of the sweep. Raise TrustError if the user has not allowed its code."""
    if options.name is None:
        return sweep_key(sweep_code(folder.sweep()))
    allowed, lines = check_sweep(folder, trust=options.trust, key=options.allowed)
    for line in lines:
        print_message(line)
    return allowed


def _counts(options: argparse.Namespace) -> list[str]:
    """Return --trials and --seeds as assignments for --set."""
    return [f"sweep.{name}={value}" for name in ("trials", "seeds") if (value := getattr(options, name)) is not None]


def _added_trials(options: argparse.Namespace) -> list[Values]:
    return [values for texts in options.add for values in parse_trials(texts)]


def _extend(folder: SweepFolder, options: argparse.Namespace) -> bool:
    """Extend an existing sweep; return whether workers elsewhere already train it."""
    if options.config is not None:
        raise ConfigError(
            "-c starts a new sweep and cannot be combined with an existing SWEEP.", "Add trials with --add."
        )
    changes = parse_option_overrides([*options.set, *_counts(options)])
    add = _added_trials(options)
    if not changes and not add:
        return False
    folder.extend(changes, add)
    remember(sweep_origin(folder), [code for values in add for code in code_of(values)])
    sessions = folder.sessions()
    where = f"; process {sessions[0].process.pid} trains it" if sessions else ""
    print_message(f"sweep {plain(folder.id)}: {describe_size(folder.sweep())} in total{where}")
    return bool(sessions)


def _control(folder: SweepFolder, options: argparse.Namespace) -> int:
    if options.say == "show":
        update_from_slurm([folder] if folder.submission() else [])
        return print_result(folder, options.json)
    if options.first:
        if unknown := set(options.first) - {job.trial for job in folder.jobs()}:
            last = folder.sweep().trial_count - 1
            raise ConfigError(f"Unknown trial {min(unknown)}: trials are numbered 0 to {last}.")
        jobs = sorted(folder.jobs(), key=lambda job: job.seed)
        folder.move_to_front([job for trial in options.first for job in jobs if job.trial == trial])
    if options.say == "stop":
        stop_sweep(folder)
    elif options.say:
        folder.update_control(paused=options.say == "pause")
    hint = "" if folder.sessions() else f". No worker is running; resume it with: tuitrain sweep {plain(folder.id)}"
    print_message(f"{options.say or 'first'}: sent to {plain(folder.id)}{hint}")
    return 0


def train_sweep(folder: SweepFolder, parallel: int | None, allowed: str) -> bool:
    """Train the sweep in this process; return whether all runs have ended."""
    pool = WorkerPool(folder, parallel, allowed)

    def stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        pool.stopping = True
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    # The sweep continues if the terminal closes.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with SweepProgress(folder) as progress:
        return pool.run(progress.show)


def _list(options: argparse.Namespace) -> int:
    rows = []
    update_from_slurm([folder for folder in list_sweeps(options.runs_dir) if folder.submission()])
    for folder in list_sweeps(options.runs_dir):
        try:
            sweep, outcomes = folder.sweep(), SweepIndex(folder).refresh()
        except RunError as error:
            print_message(f"{plain(folder.id)}: {error}")
            continue
        done = sum(outcome.done for outcome in outcomes)
        status = sweep_status(folder, outcomes)
        rows.append({"id": folder.id, "name": sweep.name, "status": status, "done": done, "runs": len(outcomes)})
    if options.json:
        print_json(rows)
        return 0
    if not rows:
        print_message(f"No sweeps in {plain(options.runs_dir)}. Start one with: tuitrain sweep -c FILE")
    for row in rows:
        sys.stdout.write(f"{plain(row['id'])}  {row['status']}  {row['done']}/{row['runs']}\n")
    return 0
