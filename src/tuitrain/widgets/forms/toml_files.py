"""Load and save the form as a TOML file."""

from collections.abc import Callable
from pathlib import Path

from tuitrain.config import toml
from tuitrain.config.sweeps import toml as sweep_toml
from tuitrain.errors import TuitrainError
from tuitrain.hosts.trust import config_code, file_origin, remember
from tuitrain.text import plain
from tuitrain.widgets.forms.draft import Draft, FormResult
from tuitrain.widgets.messages import AskValue


def ask_load(draft: Draft, fill: Callable[[Draft], None]) -> AskValue:
    """Ask for a file, and call `fill` with its settings and the name of `draft`."""

    def load(text: str) -> None:
        path = _path(text)
        config, original = toml.read(path)
        loaded = Draft.of(config, draft.name, plain(path.name))
        loaded.original, loaded.path = original, text.strip()
        loaded.doubt(file_origin(path), config)
        fill(loaded)

    return AskValue("Load settings from a TOML file", draft.path, load, live=False, is_path=True)


def ask_path(title: str, value: str, write: Callable[[Path], None]) -> AskValue:
    confirmed = ""

    def save(text: str) -> None:
        nonlocal confirmed
        path = _path(text)
        try:
            if path.exists() and confirmed != text:
                confirmed = text
                raise TuitrainError(f"{plain(path)} exists already.", "Press enter again to overwrite it.")
            if path.is_fifo() or path.is_socket():
                # Writing to it could wait forever.
                raise TuitrainError(f"{plain(path)} is not a file.", "Choose another name.")
            write(path)
        except (OSError, ValueError) as error:
            reason = plain(getattr(error, "strerror", None) or error)
            raise TuitrainError(f"{plain(path)} cannot be written: {reason}.") from None

    return AskValue(title, value, save, live=False, is_path=True)


def ask_save(result: FormResult, draft: Draft, saved: Callable[[Path], None]) -> AskValue:
    """Ask for a file, save to it and remember it in `draft`."""

    def save(path: Path) -> None:
        draft.original = _write(path, result, draft)
        draft.path = str(path)
        saved(path)

    return ask_path("Save the settings as a TOML file", draft.path, save)


def _write(path: Path, result: FormResult, draft: Draft) -> str:
    """Write a run or sweep file; return the text to keep as the draft's original, which a sweep file cannot be."""
    assert result.config is not None
    text = sweep_toml.dumps(result.sweep(draft.name)) if result.values else toml.dumps(result.config, draft.original)
    path.write_text(text, encoding="utf-8")
    remember(file_origin(path), [code for code in config_code(result.config) if code not in draft.unknown])
    return draft.original if result.values else text


def _path(text: str) -> Path:
    try:
        return Path(text.strip()).expanduser()
    except RuntimeError as error:
        raise TuitrainError(f"{plain(text, 80)}: {plain(error)}") from None
