"""Create folders completely or not at all, read small files, and read growing files line by line."""

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import msgspec

from tuitrain.errors import RunError
from tuitrain.files import check_own_folder, open_to_read, open_to_write
from tuitrain.text import plain

T = TypeVar("T")
# Limits on the bytes of a file: a damaged one must not fill the memory. Evaluations count pairs of classes.
LARGEST, LARGEST_EVALUATION = 4 * 2**20, 64 * 2**20
# The number of bytes of a growing file that are read at once.
CHUNK = 256 * 1024
_INVALID = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


@contextmanager
def new_folder(path: Path, kind: str, runs_dir: Path) -> Iterator[Path]:
    """Yield a draft of the folder `path` to fill; give it its name at the end, so that it is created completely or not
    at all. Raises RunError, which says what `kind` of folder of `runs_dir` cannot be created."""
    draft, created = path.with_name(f".{path.name}.new"), False
    try:
        if path.parent != runs_dir:
            check_own_folder(path.parent)
        draft.mkdir(parents=True)
        created = True
        yield draft
        draft.rename(path)
    except OSError as error:
        # A draft that exists already is that of another process.
        if created:
            shutil.rmtree(draft, ignore_errors=True)
        reason = f"Cannot create a {kind} in {plain(runs_dir)}: {error.strerror}."
        raise RunError(reason, "Choose another folder with --runs-dir.") from None


def overwrite(path: Path, content: bytes) -> None:
    """Write into the existing blocks of a file, for a disk that is full. Raises OSError."""
    with os.fdopen(open_to_write(path, os.O_RDWR), "r+b") as file:
        file.write(content)
        file.truncate()


def read(path: Path, largest: int = LARGEST) -> bytes:
    """Return the content of a regular file of at most `largest` bytes. Raises RunError."""
    try:
        try:
            content = _content(path, largest)
        except OSError as error:
            if error.errno != errno.ESTALE:
                raise
            # Another NFS client replaced the file meanwhile.
            content = _content(path, largest)
    except FileNotFoundError:
        raise RunError(f"{plain(path.name)} is missing.") from None
    except OSError as error:
        raise RunError(f"{plain(path.name)} cannot be read: {error.strerror}.") from None
    if len(content) > largest:
        raise RunError(f"{plain(path.name)} is larger than {largest // 2**20} MB.")
    return content


def _content(path: Path, largest: int) -> bytes:
    """Return the content of a file, cut after `largest` + 1 bytes."""
    with open_to_read(path) as file:
        return file.read(largest + 1)


def read_json(path: Path, kind: type[T], largest: int = LARGEST) -> T:
    """Decode a JSON file. Raises RunError if it is missing or invalid."""
    try:
        return msgspec.json.decode(read(path, largest), type=kind)
    except _INVALID as error:
        raise RunError(f"{plain(path.name)} is damaged: {plain(error, 120)}.") from None


def decode_or_none(decode: Callable[[bytes], T], content: bytes) -> T | None:
    """Return what msgspec's `decode` returns, or None if the content is invalid."""
    try:
        return decode(content)
    except _INVALID:
        return None


def read_lines(path: Path, offset: int, longest: int) -> tuple[list[bytes], int]:
    """Return the complete lines of one chunk of a growing file after `offset`, and the offset at which they end.

    An incomplete last line waits for the next call. Parts of a line of `longest` bytes or more are returned as empty
    lines. A missing file has no lines. Raises RunError if the file cannot be read.
    """
    try:
        if not path.is_file():
            return [], offset
        with open_to_read(path) as file:
            file.seek(offset)
            chunk = more = file.read(CHUNK)
            while len(more) == CHUNK and b"\n" not in more and len(chunk) < longest:
                more = file.read(CHUNK)
                chunk += more
    except FileNotFoundError:
        return [], offset
    except OSError as error:
        raise RunError(f"{plain(path.name)} cannot be read: {error.strerror}.") from None
    whole, newline, _ = chunk.rpartition(b"\n")
    if not newline:
        return ([b""], offset + len(chunk)) if len(chunk) >= longest else ([], offset)
    return whole.split(b"\n"), offset + len(whole) + 1
