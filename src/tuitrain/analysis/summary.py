"""Describe a run in a few words. The texts are not yet safe to show; see `tuitrain.text.plain`."""

from typing import TYPE_CHECKING, Any

from tuitrain.analysis import units
from tuitrain.config.values import changed_settings
from tuitrain.runs.catalog.listing import Entry

if TYPE_CHECKING:
    from tuitrain.runs.follower import Follower


def model(entry: Entry) -> str:
    """Return the architecture: `mlp 128-256`, `resnet18`."""
    if entry.folder.read_only:
        return str(entry.setting("model.name") or units.UNKNOWN)
    settings = entry.config.model
    if settings.name != "mlp":
        return settings.name
    return " ".join(["mlp", "-".join(str(width) for width in settings.hidden)]).strip()


def settings(run: "Entry | Follower") -> dict[str, Any]:
    """Return the settings that differ from their defaults or were changed during the run; all known ones of another
    tool's run."""
    return run.settings if run.folder.read_only else changed_settings(run.config) | run.changes


def status(entry: Entry) -> str:
    """Return the status, with the progress of an unfinished run: `running 62 %`."""
    if entry.status in ("running", "paused") and entry.state.steps:
        return f"{entry.status} {100 * entry.state.step / entry.state.steps:.0f} %"
    return entry.status


def remaining(entry: Entry) -> float | None:
    """Return the remaining seconds of training at the mean speed so far; None if unknown."""
    state = entry.state
    if not state.step or not state.steps or not state.seconds:
        return None
    return state.seconds / state.step * (state.steps - state.step)


def time(entry: Entry) -> str:
    """Return the time left of a running run, otherwise the training time."""
    if entry.status == "running" and (left := remaining(entry)) is not None:
        return f"{units.duration(left)} left"
    return units.duration(entry.state.seconds) if entry.state.step else units.UNKNOWN


def epochs(entry: Entry) -> str:
    """Return the epochs: `10` if complete, otherwise `6/10`, or `6/5→10` if a user changed their number."""
    state = entry.state
    if entry.folder.read_only and not state.epochs:
        return units.UNKNOWN
    planned = entry.changes.get("training.epochs", state.epochs)
    return str(planned) if state.epoch == planned else f"{state.epoch}/{planned}"
