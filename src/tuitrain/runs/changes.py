"""The settings that a user changed while a run was active. config.toml keeps those the run was started with."""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from tuitrain.config.formatting import format_value
from tuitrain.config.schedule import LRCurve
from tuitrain.config.schema import Config
from tuitrain.runs.records import State
from tuitrain.text import utf8_locale


class Changed(Struct, frozen=True):
    """The value of a setting at the start and now; both are equal if the user changed it back."""

    start: Any
    now: Any

    def __str__(self) -> str:
        arrow, others = ("→", "…") if utf8_locale() else ("->", "...")
        between = [others] if self.start == self.now else []
        return arrow.join([format_value(self.start), *between, format_value(self.now)])


def changes(config: Config, state: State) -> dict[str, Changed]:
    """Return the changed settings by key."""
    found = {}
    if state.lr is not None:
        found["optimizer.lr"] = Changed(config.optimizer.lr, state.lr)
    if state.epochs not in (0, config.training.epochs):
        found["training.epochs"] = Changed(config.training.epochs, state.epochs)
    return found


def lr_curve(config: Config, state: State) -> LRCurve:
    """Return the learning-rate curve of a run that has trained, without the drops of plateau."""
    lr = config.optimizer.lr if state.lr is None else state.lr
    epochs = state.epochs or config.training.epochs
    return LRCurve(config.schedule, lr, state.steps_per_epoch, epochs, state.schedule_start, state.schedule_end)


def at_start(value: Any) -> Any:
    """Return the value of a setting at the start of the run."""
    return value.start if isinstance(value, Changed) else value


def present(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value.now for key, value in settings.items() if isinstance(value, Changed)}
