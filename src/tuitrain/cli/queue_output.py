"""Print the runs that train, those that wait, and the queues of a runs folder."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tuitrain.analysis import summary, units
from tuitrain.analysis.waiting import NO_QUEUE, reason
from tuitrain.cli.output import print_json, print_message
from tuitrain.cli.table import write_table
from tuitrain.config.devices import wanted_devices
from tuitrain.runs.catalog.index import RunIndex
from tuitrain.runs.catalog.listing import Entry
from tuitrain.runs.queue import QueueFolder, QueueSession, waiting_runs
from tuitrain.runs.records import ACTIVE, Waiting
from tuitrain.runs.waiting import in_queue
from tuitrain.text import plain


def print_queue(runs_dir: Path, *, json: bool) -> None:
    """Print what `tuitrain queue list` shows."""
    sessions = QueueFolder(runs_dir).sessions()
    runs = RunIndex(runs_dir).refresh()
    training = [run for run in runs if run.status in ACTIVE and not _waits(run) and not run.folder.read_only]
    waiting = [(run, record) for run in waiting_runs(runs) if (record := in_queue(run.state))]
    if json:
        print_json({
            "queues": [_session(session) for session in sessions],
            "training": [_run(run) | {"status": run.status, "device": run.info.device} for run in training],
            "waiting": [_document(run, record, sessions) for run, record in waiting],
        })  # fmt: skip
        return
    if training or waiting:
        titles = ["", "run", "id", "device", "priority", "waits", "state"]
        lines = [_line(number, run, record, sessions) for number, (run, record) in enumerate(waiting, 1)]
        write_table([titles, *map(_training_line, training), *lines], (0, 4, 5))
    if not waiting:
        advice = "" if sessions or training else " Put one into the queue: tuitrain train --queue"
        print_message(f"No run waits in {plain(runs_dir)}.{advice}")
    for session in sessions:
        process = session.process
        where = f"process {process.pid} on {plain(process.host, 60)}"
        print_message(f"A queue is running: {where}, devices {plain(', '.join(session.devices), 200)}")
    if not sessions and waiting:
        print_message(f"{NO_QUEUE[0].upper()}{NO_QUEUE[1:]}")


def _waits(run: Entry) -> bool:
    """Return whether the run waits for the queue or Slurm. A queued run without a record of that is starting."""
    return run.status == "queued" and run.state.waiting is not None


def _training_line(run: Entry) -> list[str]:
    progress = summary.status_name(run.status, run.state)
    progress += f", epoch {summary.epochs(run)}" if run.state.started else ""
    return ["", plain(run.info.name, 40), plain(run.folder.id), plain(run.info.hardware, 40), "", "", progress]


def _line(number: int, run: Entry, record: Waiting, sessions: Sequence[QueueSession]) -> list[str]:
    place = units.UNKNOWN if record.held else str(number)
    device, waits = wanted_devices(run.config), plain(units.duration(max(0.0, time.time() - record.since)), 20)
    name = plain(run.info.name, 40)
    why = reason(record, run.config, sessions)
    return [place, name, plain(run.folder.id), plain(device), str(record.priority), waits, why]


def _run(run: Entry) -> dict[str, Any]:
    return {"run": run.folder.id, "name": run.info.name, "path": str(run.folder.path)}


def _document(run: Entry, record: Waiting, sessions: Sequence[QueueSession]) -> dict[str, Any]:
    return _run(run) | {
        "priority": record.priority, "held": record.held, "since": record.since, "device": wanted_devices(run.config),
        "reason": reason(record, run.config, sessions),
    }  # fmt: skip


def _session(session: QueueSession) -> dict[str, Any]:
    process = session.process
    return {"host": process.host, "pid": process.pid, "since": session.began, "devices": session.devices}
