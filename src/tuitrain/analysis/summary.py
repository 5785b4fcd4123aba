"""A run in one line."""

from tuitrain.analysis import units
from tuitrain.runs.listing import Entry
from tuitrain.text import plain

COLUMNS = ("run", "status", "data", "model", "opt", "act", "lr", "epochs", "best val", "test", "time")


def model(entry: Entry) -> str:
    """`mlp 128-256`: the architecture, with the widths where they are the user's."""
    settings = entry.config.model
    if settings.name != "mlp":
        return settings.name
    return " ".join(["mlp", "-".join(str(width) for width in settings.hidden)]).strip()


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
    """`10`, or `6/10` where some are left."""
    state = entry.state
    return str(state.epoch) if state.epoch == state.epochs else f"{state.epoch}/{state.epochs}"


def cells(entry: Entry) -> dict[str, str]:
    """The text of each of COLUMNS, safe to show."""
    config, state = entry.config, entry.state
    if entry.status == "damaged":
        name, problem = plain(entry.info.name, 60), plain(entry.problem)
        return dict.fromkeys(COLUMNS, "") | {"run": name, "status": "damaged", "data": problem}
    texts = {
        "run": entry.info.name,
        "status": status(entry),
        "data": config.data.dataset,
        "model": model(entry),
        "opt": config.optimizer.name,
        "act": config.model.activation,
        "lr": f"{config.optimizer.lr:g}",
        "epochs": epochs(entry),
        "best val": units.percent(state.best.validation.accuracy if state.best else None),
        "test": units.percent(state.test.accuracy if state.test else None),
        "time": time(entry),
    }
    return {column: plain(text, 60) for column, text in texts.items()}
