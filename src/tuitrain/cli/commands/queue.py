"""`tuitrain queue`: train the waiting runs of a runs folder, or list, hold, move and cancel them."""

import argparse
import signal
import time
from pathlib import Path
from types import FrameType
from typing import Any

from tuitrain.cli.options import priority as priority_of
from tuitrain.cli.output import print_json, print_message
from tuitrain.cli.queue_output import print_queue
from tuitrain.errors import ConfigError, RunError
from tuitrain.hosts.queue.devices import QueueDevices
from tuitrain.hosts.queue.dispatch import Dispatcher
from tuitrain.hosts.queue.start import start_queue_in_background
from tuitrain.runs.catalog.index import RunIndex
from tuitrain.runs.catalog.listing import Entry, find
from tuitrain.runs.catalog.result import scores
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.queue import QueueFolder, waiting_runs
from tuitrain.runs.sweeps.catalog import find_sweep
from tuitrain.runs.sweeps.index import SweepIndex
from tuitrain.runs.waiting import cancel, change, in_queue
from tuitrain.text import counted, plain

# Each of these runs is a process of a gigabyte.
MAX_PER_DEVICE = 64


def run(options: argparse.Namespace) -> int:
    if options.action is None:
        return _run_queue(options)
    if options.devices or options.per_device != 1 or options.keep or options.detach:
        raise ConfigError(
            f"tuitrain queue {options.action} takes none of --devices, --per-device, --keep, --detach.",
            "They start a queue: tuitrain queue --detach",
        )
    if options.action == "list":
        print_queue(options.runs_dir, json=options.json)
        return 0
    if options.action == "stop":
        return _stop(options)
    return _change(options)


def _run_queue(options: argparse.Namespace) -> int:
    if options.per_device > MAX_PER_DEVICE:
        raise ConfigError(f"--per-device {options.per_device} is not allowed.", f"Use 1 to {MAX_PER_DEVICE}.")
    devices = QueueDevices(options.devices)
    if not options.runs_dir.is_dir():
        reason = f"There is no runs folder {plain(options.runs_dir)}."
        raise RunError(reason, "Put a run into its queue: tuitrain train --queue")
    if options.detach and not (options.keep or _waiting(options) or QueueFolder(options.runs_dir).sessions()):
        raise RunError(
            f"No run waits in {plain(options.runs_dir)}, so that a queue would end at once.",
            "Put one into the queue: tuitrain train --queue. Or add --keep, so that the queue waits for runs.",
        )
    if options.detach:
        start_queue_in_background(options.runs_dir, options.devices, options.per_device, keep=options.keep)
        print_message(f"The queue runs in the background, on {', '.join(devices.names)}. Stop it: tuitrain queue stop")
        if options.json:
            print_json({"devices": devices.names, "per_device": options.per_device})
        return 0
    queue = Dispatcher(options.runs_dir, devices, options.per_device, keep=options.keep, report=_print_with_time)
    _handle_signals(queue)
    empty = queue.run()
    waiting = [one for one in _waiting(options) if not queue.has_started(one)]
    _print_end(waiting, empty=empty)
    if options.json:
        print_json({"runs": [_ended(one) for one in queue.ended], "waiting": len(waiting)})
    if not empty:
        return 130
    succeeded = all(one.status in ("finished", "stopped") for one in queue.ended)
    return 0 if succeeded and not queue.not_started else 1


def _handle_signals(queue: Dispatcher) -> None:
    """End the queue on SIGINT and SIGTERM; its runs keep training. Continue if the terminal closes."""

    def stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        queue.stopping = True
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


def _print_with_time(line: str) -> None:
    print_message(f"{time.strftime('%H:%M:%S')} {line}")


def _print_end(waiting: list[Entry], *, empty: bool) -> None:
    end = "The queue has ended." if empty else "The queue has ended; its runs keep training."
    if not waiting:
        print_message("The queue is empty." if empty else end)
        return
    held = sum(record.held for run in waiting if (record := in_queue(run.state)))
    print_message(f"{end} {counted(len(waiting), 'run')} left, {held} of them held. See: tuitrain queue list")


def _waiting(options: argparse.Namespace) -> list[Entry]:
    return waiting_runs(RunIndex(options.runs_dir).refresh())


def _ended(run: Entry) -> dict[str, Any]:
    reason = run.problem or run.state.reason
    return {"run": run.folder.id, "path": str(run.folder.path), "status": run.status, "reason": reason} | (
        scores(run.state)
    )


def _stop(options: argparse.Namespace) -> int:
    if options.names:
        raise ConfigError("tuitrain queue stop takes no RUN.", "Stop a run: tuitrain stop RUN")
    folder = QueueFolder(options.runs_dir)
    if not folder.sessions():
        raise RunError(f"No queue is running in {plain(options.runs_dir)}.", "Start one: tuitrain queue --detach")
    folder.stop()
    print_message("stop: sent to the queue; the runs that it has started keep training")
    return 0


def _change(options: argparse.Namespace) -> int:
    names, priority = options.names, None
    if options.action == "priority":
        names, priority = names[:-1], _priority(names[-1] if names else "")
    if not names:
        raise ConfigError(f"tuitrain queue {options.action} needs a RUN.", "See: tuitrain queue list")
    for folder in [folder for name in names for folder in _targets(options.runs_dir, name)]:
        folder.check_own_files()
        _apply(options.action, folder, priority)
        value = "" if priority is None else f" {priority}"
        print_message(f"{options.action}{value}: {plain(folder.id)}")
    return 0


def _targets(runs_dir: Path, name: str) -> list[RunFolder]:
    """Return the run of this name, or the waiting runs of the sweep of this name."""
    try:
        return [find(runs_dir, name)]
    except RunError as error:
        try:
            outcomes = SweepIndex(find_sweep(runs_dir, name)).refresh()
        except RunError:
            raise error from None
    return [one.run for one in outcomes if one.run is not None and one.state is not None and in_queue(one.state)]


def _priority(text: str) -> int:
    try:
        return priority_of(text)
    except argparse.ArgumentTypeError as error:
        raise ConfigError(f"{plain(error, 200)}.", "It comes last: tuitrain queue priority RUN 5") from None


def _apply(action: str, folder: RunFolder, priority: int | None) -> None:
    if action == "cancel":
        cancel(folder)
    elif priority is not None:
        change(folder, priority=priority)
    else:
        change(folder, held=action == "hold")
