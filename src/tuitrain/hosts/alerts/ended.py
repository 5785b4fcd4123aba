"""Alert the user when a run has finished or failed."""

import platform

from tuitrain.analysis import units
from tuitrain.analysis.summary import score_in_words
from tuitrain.errors import TuitrainError
from tuitrain.hosts.alerts.addresses import load_addresses
from tuitrain.hosts.alerts.send import send
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.records import State
from tuitrain.text import plain


def alert_end(folder: RunFolder, state: State) -> list[str]:
    """Alert the user if the run has finished or failed, and return the problems with that. Runs that the user stopped
    and finished runs of a sweep need no alert."""
    if state.status not in ("finished", "failed"):
        return []
    try:
        urls = load_addresses()
        if not urls or (state.status == "finished" and _in_sweep(folder)):
            return []
        title = f"{folder.name()} {state.status}"
        return send(title, describe(folder, state), "success" if state.status == "finished" else "failure", urls)
    except (TuitrainError, OSError) as error:
        return [plain(error, 300)]


def describe(folder: RunFolder, state: State) -> str:
    """Return the text of an alert: the reason and scores of the run, its time, and where it is."""
    parts = [plain(state.reason, 300)] if state.reason else []
    for name, score in (("test", state.test), ("validation", state.validation), ("train", state.train)):
        if score is not None and (text := score_in_words(score)):
            parts.append(f"{name} {text}")
    progress = f"epoch {state.epoch} of {state.epochs}" if state.epochs else f"step {state.step:,}"
    parts.append(f"{progress} after {units.duration(state.seconds)}")
    parts.append(f"{plain(folder.id, 100)} on {plain(platform.node(), 60)}")
    return "\n".join(parts)


def _in_sweep(folder: RunFolder) -> bool:
    parent = folder.info().parent
    return parent is not None and (folder.path.parent / ".sweeps" / parent).is_dir()
