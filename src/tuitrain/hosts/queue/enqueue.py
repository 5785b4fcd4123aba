"""Put new runs, and the runs of sweeps, into the queue."""

import time
from pathlib import Path

from tuitrain.config.formatting import format_value
from tuitrain.config.schedule import Extension
from tuitrain.config.schema import Config
from tuitrain.config.settings import NODES
from tuitrain.config.sweeps.sweep import Sweep, SweepOptions
from tuitrain.config.sweeps.toml import loads
from tuitrain.errors import ConfigError, RunError
from tuitrain.hosts.launch import RunSpec, create_run
from tuitrain.hosts.sweeps.create import start_new_sweep
from tuitrain.hosts.sweeps.sampling import sample_values
from tuitrain.hosts.sweeps.worker import create_job_run
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.records import Waiting
from tuitrain.runs.sweeps.folder import SweepFolder
from tuitrain.runs.sweeps.index import Outcome, SweepIndex
from tuitrain.runs.waiting import wait
from tuitrain.text import plain

# Options of a sweep that only its own workers obey.
WORKER_OPTIONS = ("parallel", "stack", "devices", "max_minutes", "prune")


def enqueue(spec: RunSpec, priority: int = 0) -> RunFolder:
    """Create a run that waits in the queue. Raise ConfigError if it needs several machines, and RunError if it cannot
    be written."""
    check_one_machine(spec.config)
    folder = create_run(spec)
    _wait(folder, priority)
    return folder


def enqueue_again(
    folder: RunFolder, epochs: int | None = None, schedule: Extension = "stretch", priority: int = 0
) -> None:
    """Put a run that has ended or was interrupted into the queue, to continue it; `epochs` and `schedule` are those of
    `resume_run`. The user has allowed its code. Raise ConfigError if the run needs several machines, and RunError if a
    process owns it or it cannot be written."""
    check_one_machine(folder.config())
    state = folder.state().before_waiting
    record = Waiting(
        by="queue", since=time.time(), priority=priority, before=state.status, before_reason=state.reason,
        epochs=epochs, schedule=schedule,
    )  # fmt: skip
    wait(folder, record)


def check_one_machine(config: Config) -> None:
    """Raise ConfigError if the run needs several machines: a queue starts runs on its own."""
    if config.training.nodes > 1:
        raise ConfigError(
            f"The queue trains each run on one machine, and {NODES} = {config.training.nodes}.",
            "Start the run without the queue.",
            key=NODES,
        )


def enqueue_new_sweep(runs_dir: Path, text: str, priority: int = 0) -> SweepFolder:
    """Create a sweep from the text of its TOML file, whose code the user has allowed; all its runs wait in the queue.
    Raise ConfigError if the sweep needs workers of its own."""
    check_queueable(loads(text))
    folder = start_new_sweep(runs_dir, text)
    enqueue_sweep(folder, priority)
    return folder


def enqueue_sweep(folder: SweepFolder, priority: int = 0) -> int:
    """Put all runs of a sweep that have not begun or were interrupted into the queue, and return their number. The user
    has allowed the code of the sweep. Raise ConfigError if the sweep needs workers of its own, and RunError if it has
    some or if a run cannot be written."""
    check_queueable(folder.sweep())
    if sessions := folder.sessions():
        raise RunError(f"Process {sessions[0].process.pid} trains {plain(folder.id)}.", "Stop the sweep first.")
    outcomes = SweepIndex(folder).refresh()
    startable = [one for one in outcomes if one.status == "interrupted" or (one.status == "queued" and not one.state)]
    for outcome in startable:
        if outcome.run is not None:
            enqueue_again(outcome.run, priority=priority)
        else:
            _wait(_create_run(folder, outcome, outcomes), priority)
    return len(startable)


def check_queueable(sweep: Sweep) -> None:
    """Raise ConfigError if the queue cannot train the runs of a sweep, each by itself and in any order."""
    if sweep.options.method == "tpe":
        raise ConfigError(
            "sweep.method = tpe chooses each trial by the results of others, so its trials cannot wait in the queue.",
            "Use grid or random, or start the sweep without --queue.",
            key="sweep.method",
        )
    for name in WORKER_OPTIONS:
        if (value := getattr(sweep.options, name)) != getattr(SweepOptions(), name):
            raise ConfigError(
                f"sweep.{name} = {format_value(value)} is for the workers of a sweep and has no effect in the queue.",
                "Leave it out, or start the sweep without --queue.",
                key=f"sweep.{name}",
            )


def _create_run(folder: SweepFolder, outcome: Outcome, outcomes: list[Outcome]) -> RunFolder:
    values = outcome.values
    if values is None:
        values = sample_values(folder, outcome.job.trial, outcomes)
    return create_job_run(folder, outcome.job, values)


def _wait(folder: RunFolder, priority: int) -> None:
    wait(folder, Waiting(by="queue", since=time.time(), priority=priority))
