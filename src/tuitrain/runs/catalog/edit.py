"""Change the name, tags and notes of a run; delete a run and restore it."""

import os
import re
import time
from contextlib import suppress
from pathlib import Path

from tuitrain.errors import RunError
from tuitrain.files import replace
from tuitrain.runs.folder import RunFolder, shown_status
from tuitrain.runs.owner import claim, release
from tuitrain.runs.records import ACTIVE
from tuitrain.runs.writer import encode_pretty
from tuitrain.text import plain

TRASH = ".trash"
_LONGEST_NAME, _LONGEST_TAG, _LONGEST_NOTES, _MOST_TAGS = 100, 40, 2000, 50


def check_name(text: str) -> str:
    """Return the name without surrounding spaces. Raises RunError if it is invalid."""
    return _text(text, "A run's name", _LONGEST_NAME)


def check_notes(text: str) -> str:
    """Like `check_name`, but notes may be empty."""
    return _text(text, "A note", _LONGEST_NOTES) if text.strip() else ""


def check_tags(text: str) -> list[str]:
    """Return the tags in `text`, separated by spaces or commas. Raises RunError."""
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
    """Return `tags` plus the words of `text`, minus the words with a leading `-`. Raises RunError."""
    words = re.split(r"[\s,]+", text.strip())
    removed = check_tags(" ".join(word[1:] for word in words if word.startswith("-")))
    added = check_tags(" ".join(word for word in words if not word.startswith("-")))
    return [tag for tag in dict.fromkeys((*tags, *added)) if tag not in removed]


def rename(folder: RunFolder, name: str) -> None:
    """Change the name; folder and id stay the same. Raises RunError."""
    _change(folder, name=check_name(name))


def set_tags(folder: RunFolder, tags: list[str]) -> None:
    _change(folder, tags=check_tags(" ".join(tags)))


def set_notes(folder: RunFolder, notes: str) -> None:
    _change(folder, notes=check_notes(notes))


def _change(folder: RunFolder, **changes: object) -> None:
    folder.check_editable()
    info = folder.info()
    for name, value in changes.items():
        setattr(info, name, value)
    try:
        replace(folder.info_file, encode_pretty(info))
    except OSError as error:
        raise RunError(f"{plain(folder.info_file)} cannot be written: {error.strerror}.") from None


def trash(folder: RunFolder, runs_dir: Path) -> RunFolder:
    """Move the run to the folder .trash of `runs_dir` and return its new folder. Raises RunError if the run is active,
    owned by another process or not in `runs_dir`."""
    folder.check_editable()
    if folder.path.parent.absolute() != runs_dir.absolute() or folder.id in ("", ".", "..", TRASH):
        raise RunError(f"{plain(folder.path)} is not a run in {plain(runs_dir)}.")
    if folder.path.is_symlink():
        raise RunError(
            f"{plain(folder.path)} is a symbolic link, which tuitrain does not delete.", "Remove the link yourself."
        )
    if (status := _active(folder)) is not None:
        raise RunError(f"The run {plain(folder.id)} is {status}.", "Stop it first.")
    # Owning the run keeps other processes from resuming it meanwhile.
    claim(folder)
    trash_name = f"{time.strftime('%Y%m%d-%H%M%S')}-{time.time_ns() % 10**9:09}-{folder.id}"
    try:
        _move(runs_dir, folder.id, trash_name, into_trash=True)
    except OSError as error:
        release(folder)
        raise RunError(f"The run {plain(folder.id)} cannot be moved to {TRASH}: {error.strerror}.") from None
    trashed = RunFolder(runs_dir / TRASH / trash_name)
    release(trashed)
    return trashed


def restore(trashed: RunFolder, original: RunFolder) -> None:
    """Undo `trash`. Raises RunError if a run with this id exists again, or the trash was emptied."""
    runs_dir = original.path.parent
    if os.path.lexists(original.path):
        raise RunError(
            f"Another run now has the id {plain(original.id)}.", f"The deleted run is in {plain(trashed.path)}."
        )
    try:
        _move(runs_dir, trashed.id, original.id, into_trash=False)
    except OSError as error:
        raise RunError(f"The run {plain(original.id)} cannot be restored: {error.strerror}.") from None


def _active(folder: RunFolder) -> str | None:
    try:
        status = shown_status(folder.state())
    except RunError:
        return None
    return status if status in ACTIVE else None


def _move(runs_dir: Path, source: str, target: str, *, into_trash: bool) -> None:
    """Move a folder between `runs_dir` and its trash by file descriptors, so that no symbolic link is followed."""
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
