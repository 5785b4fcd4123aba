"""Write small files atomically, read them up to a size limit, and read growing files line by line."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import msgspec

from tuitrain.errors import RunError
from tuitrain.text import plain

T = TypeVar("T")
LARGEST = 64 * 2**20
# The number of bytes of a growing file that are read at once.
CHUNK = 256 * 1024
_INVALID = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def replace(path: Path, content: bytes, *, sync: bool = False) -> None:
    """Replace a file atomically: readers see the old or the new content; with `sync`, also after a power failure."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            if sync:
                file.flush()
                os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        with suppress(OSError):
            temporary.unlink()
        raise
    if sync:
        sync_folder(path.parent)


@contextmanager
def new_folder(path: Path, kind: str, runs_dir: Path) -> Iterator[Path]:
    """Yield a draft of the folder `path` to fill; give it its name at the end, so that it is created completely or not
    at all. Raises RunError, which says what `kind` of folder of `runs_dir` cannot be created."""
    draft = path.with_name(f".{path.name}.new")
    try:
        draft.mkdir(parents=True)
        yield draft
        draft.rename(path)
    except OSError as error:
        shutil.rmtree(draft, ignore_errors=True)
        reason = f"Cannot create a {kind} in {plain(runs_dir)}: {error.strerror}."
        raise RunError(reason, "Choose another folder with --runs-dir.") from None


def overwrite(path: Path, content: bytes) -> None:
    """Write into the existing blocks of a file, for a disk that is full. Raises OSError."""
    with path.open("r+b") as file:
        file.write(content)
        file.truncate()


def sync_folder(folder: Path) -> None:
    """Write a folder to disk: a rename is not durable before that."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read(path: Path) -> bytes:
    """Return the content of a regular file of at most `LARGEST` bytes. Raises RunError."""
    try:
        if not path.is_file():
            raise RunError(f"{plain(path.name)} is missing.")
        if path.stat().st_size > LARGEST:
            raise RunError(f"{plain(path.name)} is larger than {LARGEST // 2**20} MB.")
        return path.read_bytes()
    except OSError as error:
        raise RunError(f"{plain(path.name)} cannot be read: {error.strerror}.") from None


def read_json(path: Path, kind: type[T]) -> T:
    """Decode a JSON file. Raises RunError if it is missing or invalid."""
    try:
        return msgspec.json.decode(read(path), type=kind)
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
        with path.open("rb") as file:
            file.seek(offset)
            chunk = more = file.read(CHUNK)
            while len(more) == CHUNK and b"\n" not in more and len(chunk) < longest:
                more = file.read(CHUNK)
                chunk += more
    except FileNotFoundError:
        return [], offset
    except OSError as error:
        raise RunError(f"{path.name} cannot be read: {error.strerror}.") from None
    whole, newline, _ = chunk.rpartition(b"\n")
    if not newline:
        return ([b""], offset + len(chunk)) if len(chunk) >= longest else ([], offset)
    return whole.split(b"\n"), offset + len(whole) + 1
