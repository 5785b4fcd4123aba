"""Describe a run in a few words. The texts are not yet safe to show; see `tuitrain.text.plain`."""

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from tuitrain.analysis import units
from tuitrain.config.code import without_folder
from tuitrain.config.conditions import unused
from tuitrain.config.formatting import format_value
from tuitrain.config.values import changed_settings
from tuitrain.runs.catalog.listing import Entry
from tuitrain.runs.records import Best, Score, ShownStatus, State
from tuitrain.text import noun_for

if TYPE_CHECKING:
    from tuitrain.runs.follower import Follower


# The settings that `settings_in_words` always contains.
MAIN = ("data.dataset", "model.name", "model.hidden", "optimizer.name", "optimizer.lr", "training.epochs",
        "data.batch_size")  # fmt: skip


def model(entry: "Entry | Follower") -> str:
    """Return the architecture: `mlp 128-256`, `resnet18`."""
    if entry.folder.read_only:
        return str(entry.settings.get("model.name") or units.UNKNOWN)
    settings = entry.config.model
    if settings.name != "mlp":
        return without_folder(settings.name)
    return " ".join(["mlp", "-".join(str(width) for width in settings.hidden)]).strip()


def settings(run: "Entry | Follower") -> dict[str, Any]:
    """Return the settings that the run uses and that differ from their defaults or were changed during the run. Return
    all known settings for a run of another tool."""
    if run.folder.read_only:
        return run.settings
    ignored = unused(run.config)
    return {key: value for key, value in changed_settings(run.config).items() if key not in ignored} | run.changes


def settings_in_words(entry: "Entry | Follower", without: Collection[str] = ()) -> str:
    """Return the main settings and those that were changed: `digits · mlp 128-256 · adam 0.01 · 10 epochs · batch 64`.
    Return all logged settings for a run of another tool."""
    values = {key: format_value(value) for key, value in settings(entry).items() if key not in without}
    if entry.folder.read_only:
        return " · ".join(f"{key} {value}" for key, value in values.items())
    config, changed = entry.config, entry.changes
    lr = changed.get("optimizer.lr", config.optimizer.lr)
    epochs = changed.get("training.epochs", config.training.epochs)
    words = [
        without_folder(config.data.dataset),
        model(entry),
        f"{config.optimizer.name} {format_value(lr)}",
        f"{format_value(epochs)} {noun_for(epochs, 'epoch')}",
        f"batch {config.data.batch_size}",
    ]
    words += [f"{key.partition('.')[2].replace('_', ' ')} {value}" for key, value in values.items() if key not in MAIN]
    return " · ".join(words)


def best_value(best: Best) -> str:
    """Return the value that makes an epoch the best: a loss `0.0712` or a score `98.06 %`."""
    if best.metric == "loss":
        return units.loss(best.validation.loss if best.value is None else best.value)
    return units.percent(best.value)


def score_in_words(score: Score) -> str:
    """Return `98.06 % · loss 0.0712`, of which a script may have logged only one; empty without either."""
    accuracy = [] if score.measured is None else [units.percent(score.measured)]
    loss = [] if score.loss is None else [f"loss {units.loss(score.loss)}"]
    return " · ".join(accuracy + loss)


def moment(best: Best) -> str:
    """Return when the run was best: `epoch 3`, or `step 1,200` if a script logs no epochs."""
    return f"epoch {best.epoch}" if best.epoch else f"step {best.step:,}"


def result(run: "Follower") -> tuple[str, str] | None:
    """Return the most important accuracy and what it is: `98.06 %` of the test split if it was measured."""
    state, best = run.state, run.state.best
    candidates: list[tuple[str, Score | None]] = [
        (f"best test{best.by}, with the weights of {moment(best)}" if best else "", best.test if best else None),
        ("last test", state.test),
        (f"best val{best.by}, {moment(best)}" if best else "", best.validation if best else None),
        ("last val", state.validation),
    ]
    return next(
        ((units.percent(score.measured), title) for title, score in candidates if score and score.measured is not None),
        None,
    )


def status_name(status: ShownStatus, state: State | None) -> str:
    """Return the status in a word: of a queued run, `held` if the queue must not start it, and `starting` if its
    process loads torch."""
    if status != "queued" or state is None:
        return status
    if state.waiting is not None:
        return "held" if state.waiting.held else status
    # A run that waits for another one, or that moves to another process, has a phase.
    return "starting" if state.process is not None and not state.phase else status


def status(entry: Entry) -> str:
    """Return the status, with the progress of an unfinished run: `running 62 %`."""
    if entry.status in ("running", "paused") and entry.state.steps:
        return f"{entry.status} {100 * entry.state.step / entry.state.steps:.0f} %"
    return status_name(entry.status, entry.state)


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


def epochs(entry: "Entry | Follower") -> str:
    """Return the epochs: `10` if complete, otherwise `6/10`."""
    state = entry.state
    if entry.folder.read_only and not state.epochs:
        return units.UNKNOWN
    return str(state.epochs) if state.epoch == state.epochs else f"{state.epoch}/{state.epochs}"


def counted_epochs(entry: "Entry | Follower") -> str:
    return f"{epochs(entry)} {noun_for(entry.state.epochs, 'epoch')}"
