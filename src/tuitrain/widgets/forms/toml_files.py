"""The form's TOML files: which one to load, and where to save."""

from collections.abc import Callable
from pathlib import Path

from tuitrain.config import toml
from tuitrain.config.sweeps import toml as sweep_toml
from tuitrain.errors import TuitrainError
from tuitrain.text import plain
from tuitrain.widgets.forms.draft import Draft, FormResult
from tuitrain.widgets.messages import AskValue


def ask_load(now: Draft, fill: Callable[[Draft], None]) -> AskValue:
    """`fill` gets a draft that was read, with the name that `now` has."""

    def load(text: str) -> None:
        path = _path(text)
        config, original = toml.read(path)
        draft = Draft.of(config, now.name, plain(path.name))
        draft.original, draft.path = original, text.strip()
        fill(draft)

    return AskValue("Load settings from a TOML file", now.path, load, live=False)


def ask_path(what: str, present: str, write: Callable[[Path], None]) -> AskValue:
    """What is there is overwritten only when that was asked for twice."""
    asked = ""

    def save(text: str) -> None:
        nonlocal asked
        path = _path(text)
        if path.exists() and asked != text:
            asked = text
            raise TuitrainError(f"{plain(path)} is there already.", "Enter again overwrites it.")
        try:
            write(path)
        except (OSError, ValueError) as error:
            reason = plain(getattr(error, "strerror", None) or error)
            raise TuitrainError(f"{plain(path)} cannot be written: {reason}.") from None

    return AskValue(what, present, save, live=False)


def ask_save(plan: FormResult, now: Draft, saved: Callable[[Path], None]) -> AskValue:
    """`now` remembers the file."""

    def save(path: Path) -> None:
        now.original = _write(path, plan, now)
        now.path = str(path)
        saved(path)

    return ask_path("Save the settings as a TOML file", now.path, save)


def _write(path: Path, plan: FormResult, now: Draft) -> str:
    """The text for the next time; of a sweep none, as its file is none of a run."""
    assert plan.config is not None
    text = sweep_toml.dumps(plan.sweep(now.name)) if plan.values else toml.dumps(plan.config, now.original)
    path.write_text(text, encoding="utf-8")
    return now.original if plan.values else text


def _path(text: str) -> Path:
    try:
        return Path(text.strip()).expanduser()
    except RuntimeError as error:
        raise TuitrainError(f"{plain(text, 80)}: {plain(error)}") from None
