"""What a user changes of a run that is there: its name, tags and notes, and whether it stays."""

import os
import re
import time
from contextlib import suppress
from pathlib import Path

from tuitrain.errors import RunError
from tuitrain.runs.files import replace
from tuitrain.runs.folder import RunFolder, shown_status
from tuitrain.runs.owner import claim, release
from tuitrain.runs.writer import encode_pretty
from tuitrain.text import plain

TRASH = ".trash"
_LONGEST_NAME, _LONGEST_TAG, _LONGEST_NOTES, _MOST_TAGS = 100, 40, 2000, 50


def check_name(text: str) -> str:
    """The name that the text stands for. Raises RunError."""
    return _text(text, "A run's name", _LONGEST_NAME)


def check_notes(text: str) -> str:
    """As `check_name`; notes may be empty."""
    return _text(text, "A note", _LONGEST_NOTES) if text.strip() else ""


def check_tags(text: str) -> list[str]:
    """Tags are words, with spaces or commas between them. Raises RunError."""
    tags = [_text(tag, "A tag", _LONGEST_TAG) for tag in dict.fromkeys(re.split(r"[\s,]+", text)) if tag]
    if len(tags) > _MOST_TAGS:
        raise RunError(f"A run has at most {_MOST_TAGS} tags, not {len(tags)}.")
    return tags


def _text(text: str, what: str, most: int) -> str:
    text = text.strip()
    if not text:
        raise RunError(f"{what} cannot be empty.")
    if len(text) > most:
        raise RunError(f"{what} has at most {most} characters, not {len(text)}.")
    if text != plain(text, most):
        raise RunError(f"{what} must be printable text, not {plain(text, 40)!r}.")
    return text


def retag(tags: list[str], text: str) -> list[str]:
    """`tags` with the words of the text, and without those that it has a `-` before. Raises RunError."""
    words = re.split(r"[\s,]+", text.strip())
    gone = check_tags(" ".join(word[1:] for word in words if word.startswith("-")))
    new = check_tags(" ".join(word for word in words if not word.startswith("-")))
    return [tag for tag in dict.fromkeys((*tags, *new)) if tag not in gone]


def rename(folder: RunFolder, name: str) -> None:
    """The name alone: the folder and the id stay what they are. Raises RunError."""
    _change(folder, name=check_name(name))


def set_tags(folder: RunFolder, tags: list[str]) -> None:
    _change(folder, tags=check_tags(" ".join(tags)))


def set_notes(folder: RunFolder, notes: str) -> None:
    _change(folder, notes=check_notes(notes))


def _change(folder: RunFolder, **changes: object) -> None:
    folder.refuse_foreign()
    info = folder.info()
    for name, value in changes.items():
        setattr(info, name, value)
    try:
        replace(folder.info_file, encode_pretty(info))
    except OSError as error:
        raise RunError(f"{plain(folder.info_file)} cannot be written: {error.strerror}.") from None


def trash(folder: RunFolder, runs_dir: Path) -> RunFolder:
    """Move the run to the folder .trash of `runs_dir`; where it lies there.

    Raises RunError where it still goes on, is held by another process or is no folder of `runs_dir`.
    """
    folder.refuse_foreign()
    if folder.path.parent.absolute() != runs_dir.absolute() or folder.id in ("", ".", "..", TRASH):
        raise RunError(f"{plain(folder.path)} is no run of {plain(runs_dir)}.")
    if folder.path.is_symlink():
        raise RunError(f"{plain(folder.path)} is a link to another place.", "Remove it by hand.")
    if (status := _active(folder)) is not None:
        raise RunError(f"The run {plain(folder.id)} is {status}.", "Stop it first.")
    # Held, so that nobody begins to train it in the meantime.
    claim(folder)
    kept = f"{time.strftime('%Y%m%d-%H%M%S')}-{time.time_ns() % 10**9:09}-{folder.id}"
    try:
        _move(runs_dir, folder.id, kept, into_trash=True)
    except OSError as error:
        release(folder)
        raise RunError(f"The run {plain(folder.id)} cannot be moved to {TRASH}: {error.strerror}.") from None
    thrown = RunFolder(runs_dir / TRASH / kept)
    release(thrown)
    return thrown


def restore(thrown: RunFolder, original: RunFolder) -> None:
    """Undo `trash`. Raises RunError where there is a run in its place, or the trash was emptied."""
    runs_dir = original.path.parent
    if os.path.lexists(original.path):
        raise RunError(f"There is a run {plain(original.id)} again.", f"The one deleted lies in {plain(thrown.path)}.")
    try:
        _move(runs_dir, thrown.id, original.id, into_trash=False)
    except OSError as error:
        raise RunError(f"The run {plain(original.id)} cannot be brought back: {error.strerror}.") from None


def _active(folder: RunFolder) -> str | None:
    try:
        status = shown_status(folder.state())
    except RunError:
        return None
    return status if status in ("queued", "running", "paused") else None


def _move(runs_dir: Path, source: str, target: str, *, into_trash: bool) -> None:
    """Between `runs_dir` and its trash, held by their descriptors: no link in between leads elsewhere."""
    outer = os.open(runs_dir, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with suppress(FileExistsError):
            os.mkdir(TRASH, dir_fd=outer)
        inner = os.open(TRASH, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=outer)
        try:
            first, second = (outer, inner) if into_trash else (inner, outer)
            os.rename(source, target, src_dir_fd=first, dst_dir_fd=second)
        finally:
            os.close(inner)
    finally:
        os.close(outer)
