"""Small files, written whole or not at all, and read with a limit."""

import os
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import msgspec

from tuitrain.errors import RunError
from tuitrain.text import plain

T = TypeVar("T")
LARGEST = 64 * 2**20


def replace(path: Path, content: bytes, *, sync: bool = False) -> None:
    """Readers see the old file or the new one, never a part; `sync` makes that true of a power cut, too."""
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


def overwrite(path: Path, content: bytes) -> None:
    """Where no new file has room any more: into the blocks that the old one has. Raises OSError."""
    with path.open("r+b") as file:
        file.write(content)
        file.truncate()


def sync_folder(folder: Path) -> None:
    """A rename is on disk only once its folder is."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read(path: Path) -> bytes:
    """Raises RunError for a file that is missing, unreadable, no plain file or larger than any of ours."""
    try:
        if not path.is_file():
            raise RunError(f"{plain(path.name)} is missing.")
        if path.stat().st_size > LARGEST:
            raise RunError(f"{plain(path.name)} is larger than {LARGEST // 2**20} MB.")
        return path.read_bytes()
    except OSError as error:
        raise RunError(f"{plain(path.name)} cannot be read: {error.strerror}.") from None


def read_json(path: Path, kind: type[T]) -> T:
    """Raises RunError where the file is missing or is not what it should be."""
    try:
        return msgspec.json.decode(read(path), type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RunError(f"{plain(path.name)} is damaged: {plain(error, 120)}.") from None
