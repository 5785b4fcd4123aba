"""What a user changed of a run on the way; its config.toml stays what the run was started with."""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from tuitrain.config.formatting import format_value
from tuitrain.config.schema import Config
from tuitrain.runs.records import State
from tuitrain.text import utf8_locale


class Changed(Struct, frozen=True):
    """The value that a setting had at the start, and its present one, which is the same where it was changed back."""

    start: Any
    now: Any

    def __str__(self) -> str:
        arrow, others = ("→", "…") if utf8_locale() else ("->", "...")
        between = [others] if self.start == self.now else []
        return arrow.join([format_value(self.start), *between, format_value(self.now)])


def changes(config: Config, state: State) -> dict[str, Changed]:
    """By key."""
    found = {}
    if state.lr is not None:
        found["optimizer.lr"] = Changed(config.optimizer.lr, state.lr)
    if state.epochs not in (0, config.training.epochs):
        found["training.epochs"] = Changed(config.training.epochs, state.epochs)
    return found


def at_start(value: Any) -> Any:
    """A setting's value as config.toml has it."""
    return value.start if isinstance(value, Changed) else value


def present(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The values, now, of those that were changed."""
    return {key: value.now for key, value in settings.items() if isinstance(value, Changed)}
