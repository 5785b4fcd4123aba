"""A run in a few words, not yet made safe to show."""

from typing import TYPE_CHECKING, Any

from tuitrain.analysis import units
from tuitrain.config.values import changed_settings
from tuitrain.runs.catalog.listing import Entry

if TYPE_CHECKING:
    from tuitrain.runs.follower import Follower


def model(entry: Entry) -> str:
    """`mlp 128-256`: the architecture, with the widths where they are the user's."""
    if entry.folder.read_only:
        return str(entry.setting("model.name") or units.UNKNOWN)
    settings = entry.config.model
    if settings.name != "mlp":
        return settings.name
    return " ".join(["mlp", "-".join(str(width) for width in settings.hidden)]).strip()


def settings(run: "Entry | Follower") -> dict[str, Any]:
    """Those that are not at their defaults, or were changed on the way; of another tool's run all that are known."""
    return run.settings if run.folder.read_only else changed_settings(run.config) | run.changes


def status(entry: Entry) -> str:
    """The status, with how far a run is that still goes on."""
    if entry.status in ("running", "paused") and entry.state.steps:
        return f"{entry.status} {entry.state.step / entry.state.steps:.0%}"
    return entry.status


def remaining(entry: Entry) -> float | None:
    """Seconds of training to come, as fast as so far; None where nothing is known."""
    state = entry.state
    if not state.step or not state.steps or not state.seconds:
        return None
    return state.seconds / state.step * (state.steps - state.step)


def time(entry: Entry) -> str:
    """How long it took, how long it will still take, or in a word why it ended."""
    if entry.status == "running" and (left := remaining(entry)) is not None:
        return f"{units.duration(left)} left"
    return units.duration(entry.state.seconds) if entry.state.step else units.UNKNOWN


def epochs(entry: Entry) -> str:
    """`10`, or `6/10` where some are left, or `6/5→10` where they were to be others."""
    state = entry.state
    if entry.folder.read_only and not state.epochs:
        return units.UNKNOWN
    planned = entry.changes.get("training.epochs", state.epochs)
    return str(planned) if state.epoch == planned else f"{state.epoch}/{planned}"
