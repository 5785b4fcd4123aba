"""`tuitrain resume RUN`: resume a paused run, or continue a run that has ended from its last checkpoint."""

import argparse

from tuitrain.analysis.summary import status_name
from tuitrain.cli.commands.train import check_queueing, follow, report_background_run, report_queued_run
from tuitrain.cli.output import print_message
from tuitrain.config.schedule import Extension
from tuitrain.config.validation import check_value
from tuitrain.config.values import override, parse_value
from tuitrain.errors import ConfigError, RunError
from tuitrain.hosts.background import resume_in_background
from tuitrain.hosts.distributed.followed import host_for
from tuitrain.hosts.queue.enqueue import check_one_machine, enqueue_again
from tuitrain.hosts.resumable import RESUME_SETTINGS, change_settings, check_resumable
from tuitrain.hosts.trust import check_run
from tuitrain.runs.catalog.listing import find
from tuitrain.runs.changes import lr_curve
from tuitrain.runs.control import send
from tuitrain.runs.folder import RunFolder, shown_status
from tuitrain.runs.records import ACTIVE, State
from tuitrain.runs.waiting import in_queue
from tuitrain.text import plain


def run(options: argparse.Namespace) -> int:
    folder = find(options.runs_dir, options.name)
    folder.check_writable()
    check_queueing(options)
    state = folder.state()
    if shown_status(state) == "paused":
        return _resume_paused(folder, options)
    epochs, schedule = check_continuation(folder, options, from_queue=not options.queue)
    if options.queue:
        check_one_machine(override(folder.config(), options.set))
    allowed, lines = check_run(folder, trust=options.trust)
    for line in lines:
        print_message(line)
    if epochs is not None:
        _print_rate(folder, state, epochs, schedule, chosen=options.schedule is not None)
    change_settings(folder, options.set)
    if in_queue(state):
        print_message("The run no longer waits in the queue; it starts now.")
    if options.queue:
        enqueue_again(folder, epochs, schedule, options.priority or 0)
        return report_queued_run(folder, options.json)
    if options.detach:
        resume_in_background(folder, epochs, allowed_key=allowed, schedule=schedule)
        return report_background_run(folder, options.json)
    host = host_for(folder.config())
    log_from = folder.log_file.stat().st_size if folder.log_file.is_file() else 0
    return follow(host, lambda: host.resume(folder, epochs, allowed, schedule), options.json, log_from)


def _resume_paused(folder: RunFolder, options: argparse.Namespace) -> int:
    epochs, schedule = _extension(folder, options)
    if options.set:
        raise RunError("A paused run keeps its settings.", f"Stop it first: tuitrain stop {plain(folder.id)}")
    if options.queue:
        raise RunError("A paused run keeps its device.", "Resume it without --queue.")
    if epochs is not None:
        send(folder, "epochs", epochs, schedule)
    send(folder, "resume")
    print_message(f"resume: sent to {plain(folder.id)}")
    return 0


def check_continuation(
    folder: RunFolder, options: argparse.Namespace, *, from_queue: bool = False
) -> tuple[int | None, Extension]:
    """Return the total number of epochs, None for the present one, and the schedule of a run that continues. With
    `from_queue`, the run may wait in the queue, perhaps for more epochs. Raise TuitrainError if the run cannot
    continue, or not with these options."""
    epochs, schedule = _extension(folder, options)
    state = folder.state()
    status = shown_status(state)
    waiting = in_queue(state) if from_queue else None
    if waiting is None and status in ACTIVE:
        doing = f"is already {status_name(status, state)}"
        raise RunError(f"{plain(folder.id)} {doing}.", f"Watch it: tuitrain attach {plain(folder.id)}")
    if waiting is not None and epochs is None:
        epochs, schedule = waiting.epochs, waiting.schedule
    check_resumable(folder, state.before_waiting, epochs)
    return epochs, schedule


def _extension(folder: RunFolder, options: argparse.Namespace) -> tuple[int | None, Extension]:
    epochs = _total_epochs(options.epochs, folder.state().epochs)
    override(folder.config(), options.set, only=RESUME_SETTINGS)  # Raises before anything else happens.
    return epochs, _schedule(options, epochs)


def _schedule(options: argparse.Namespace, epochs: int | None) -> Extension:
    if options.schedule and epochs is None:
        raise ConfigError("--schedule needs --epochs: it says what the learning rate does in a longer run.")
    schedule: Extension = options.schedule or "stretch"
    return schedule


def _print_rate(folder: RunFolder, state: State, epochs: int, schedule: Extension, *, chosen: bool) -> None:
    """Print how the new number of epochs changes the learning rate, and the alternatives unless the user has chosen."""
    if not state.step or not state.steps_per_epoch:
        return
    before = lr_curve(folder.config(), state)
    change = before.describe_change(before.extended(epochs, state.step, schedule), state.step)
    if change:
        other = "" if chosen else "; --schedule hold keeps the last rate, --schedule restart begins a new cycle"
        print_message(f"{change}{other}")


def _total_epochs(text: str, planned: int) -> int | None:
    if not text:
        return None
    more = text.startswith("+")
    value: int = parse_value("training.epochs", text.removeprefix("+"))
    epochs: int = check_value("training.epochs", value + (planned if more else 0))
    return epochs
