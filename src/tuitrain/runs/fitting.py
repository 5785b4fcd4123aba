"""The settings with which a run should fit that ran out of memory."""

from tuitrain.config.formatting import format_value
from tuitrain.config.settings import settings
from tuitrain.runs.records import State


def fitting_texts(state: State) -> dict[str, str]:
    """Return the texts of the fields of the form, by key. The file may have been changed by hand: skip other keys."""
    return {key: format_value(value) for key, value in state.fitting.items() if key in settings()}
