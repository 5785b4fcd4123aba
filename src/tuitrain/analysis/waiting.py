"""Describe what waiting runs wait for."""

from collections.abc import Sequence

from tuitrain.config.devices import can_serve, wanted_devices
from tuitrain.config.schema import Config
from tuitrain.runs.catalog.listing import Entry
from tuitrain.runs.queue import QueueSession, waiting_runs
from tuitrain.runs.records import Waiting
from tuitrain.text import plain

NO_QUEUE = "no queue is running: tuitrain queue --detach"


def reason(waiting: Waiting, config: Config, sessions: Sequence[QueueSession]) -> str:
    """Return why the run has not started, such as `waits for a free device`. `sessions` are the queues that work on its
    runs folder."""
    if waiting.by == "slurm":
        return ": ".join(filter(None, (f"Slurm job {plain(waiting.job, 20)}".strip(), plain(waiting.reason, 200))))
    if waiting.held:
        return "held"
    wanted = wanted_devices(config)
    if not sessions:
        return NO_QUEUE if wanted in ("auto", "cpu") else f"{NO_QUEUE} · needs {wanted}"
    if not any(can_serve(session.devices, config) for session in sessions):
        used = dict.fromkeys(device for session in sessions for device in session.devices)
        return f"waits for {wanted}, and the queue uses {plain(', '.join(used), 60)}"
    return "waits for a free device" if wanted in ("auto", "cuda") else f"waits for {wanted} to be free"


def reasons(entries: Sequence[Entry], sessions: Sequence[QueueSession]) -> dict[str, str]:
    """Return the place in the queue of each run that waits, and why the run has not started, by run id."""
    queued = waiting_runs(entries)
    places = {run.folder.id: number for number, run in enumerate(queued, 1)}
    count = len(queued)
    found = {}
    for run in entries:
        waiting = run.state.waiting
        if run.status == "queued" and waiting is not None:
            place = places.get(run.folder.id)
            in_line = place is not None and not waiting.held
            parts = [f"{place} of {count} in the queue"] if in_line else []
            parts.append(reason(waiting, run.config, sessions))
            parts += [f"priority {waiting.priority}"] if waiting.priority else []
            found[run.folder.id] = " · ".join(parts)
    return found
