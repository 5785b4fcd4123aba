"""Name, read, list and remove the files that cache decoded images, or the features that a network computes of images.

A file begins with a header of fixed size, which holds JSON and its checksum. The checksum of each image follows, then,
from a page boundary on, the images: N blocks of the same size. A file gets its name when it is complete.
"""

import errno
import fcntl
import math
import os
import re
import shutil
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from hashlib import blake2b
from itertools import chain
from pathlib import Path
from typing import Literal

import google_crc32c
import msgspec
from msgspec import Struct

from tuitrain.config.data.datasets import user_cache
from tuitrain.files import open_to_read, remove_drafts, replace_by

SUFFIX, FEATURES = ".pixels", ".features"
# Bytes of a value.
_SIZES = {"uint8": 1, "bfloat16": 2, "float16": 2, "float32": 4}
# Only the version that wrote a file reads it.
_MAGIC = b"tuitrain pixels 2\n"
# The lengths of the JSON text, and its checksum.
_LENGTHS = struct.Struct("<II")
HEADER, _PAGE = 2**20, 4096


def checksum(content: bytes) -> int:
    """Return the checksum of the header or of one image."""
    # CRC-32C takes a sixth of the time of zlib's CRC-32, including the copy to bytes.
    value: int = google_crc32c.value(content)
    return value


class Header(Struct, frozen=True):
    """What a file contains: `count` images of `shape` (C, H, W), read from `folder`, or their features of shape (D,),
    which `network` computes. `unreadable` maps the rows of the images that could not be read to the reasons. `deep`
    maps each kind of images with more than 8 bits to their number and the number of those with values beyond its range.
    """

    key: str
    folder: str
    count: int
    shape: tuple[int, ...]
    unreadable: dict[int, str] = {}
    dtype: Literal["uint8", "bfloat16", "float16", "float32"] = "uint8"
    network: str = ""
    deep: dict[str, tuple[int, int]] = {}

    @property
    def image_bytes(self) -> int:
        return math.prod(self.shape) * _SIZES[self.dtype]

    @property
    def row_shape(self) -> tuple[int, ...]:
        """The shape of what the file has of each image, as bytes."""
        return self.shape if self.dtype == "uint8" else (self.image_bytes,)

    @property
    def pixels_at(self) -> int:
        """The position of the first image: the checksums, four bytes each, precede it."""
        return -(-(HEADER + 4 * self.count) // _PAGE) * _PAGE

    @property
    def file_bytes(self) -> int:
        return self.pixels_at + self.count * self.image_bytes

    def encode(self) -> bytes:
        """Return the beginning of the file. Raises ValueError if too many images are unreadable."""
        text = msgspec.json.encode(self)
        content = _MAGIC + _LENGTHS.pack(len(text), checksum(text)) + text
        if len(content) > HEADER:
            raise ValueError("too many images are unreadable")
        return content.ljust(HEADER, b"\0")


class PixelFile(Struct, frozen=True):
    """A complete file; `used` is the time of its last use."""

    path: Path
    header: Header
    size: int
    used: float

    @property
    def name(self) -> str:
        return self.path.stem


def cache_folder() -> Path:
    return user_cache() / "pixels"


def path_of(key: str, folder: Path, suffix: str = SUFFIX) -> Path:
    """Return the file for the images of `folder` that `key`, a hexadecimal digest, identifies."""
    word = re.sub(r"[^\w-]+", "-", folder.name, flags=re.ASCII).strip("-")[:40]
    return cache_folder() / f"{word or 'images'}-{key[:12]}{suffix}"


def read_header(path: Path) -> Header | None:
    """Return the header; None if the file is missing, damaged, cut short or from another version."""
    try:
        with open_to_read(path) as file:
            content = file.read(HEADER)
            size = os.fstat(file.fileno()).st_size
    except OSError:
        return None
    start = len(_MAGIC) + _LENGTHS.size
    if len(content) < HEADER or not content.startswith(_MAGIC):
        return None
    length, expected = _LENGTHS.unpack(content[len(_MAGIC) : start])
    text = content[start : start + length]
    if checksum(text) != expected:
        return None
    try:
        header = msgspec.json.decode(text, type=Header)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return header if size == header.file_bytes else None


def pixel_files() -> list[PixelFile]:
    """Return the complete files, the last used first."""
    found = []
    for path in _named("*{}"):
        if header := read_header(path):
            with suppress(OSError):
                status = path.stat()
                found.append(PixelFile(path, header, status.st_size, status.st_mtime))
    return sorted(found, key=lambda file: -file.used)


def _named(pattern: str) -> Iterator[Path]:
    """Yield the paths in the cache folder that match `pattern`, which contains {} in place of the suffix."""
    return chain.from_iterable(cache_folder().glob(pattern.format(suffix)) for suffix in (SUFFIX, FEATURES))


def mark_used(path: Path) -> None:
    with suppress(OSError):
        os.utime(path)


def make_room(needed: int, limit: int) -> list[str]:
    """Remove the least recently used files until `needed` more bytes stay within the limit; return their names. Runs
    that use them keep them open."""
    files, removed = pixel_files(), []
    total = sum(file.size for file in files)
    while files and total + needed > limit:
        file = files.pop()
        total -= file.size
        remove(file.path)
        removed.append(file.name)
    return removed


def write(path: Path, size: int, limit: int, fill: Callable[[Path], None]) -> list[str]:
    """Write a file of `size` bytes: `fill` creates it under the path that it receives. First remove the least recently
    used files, so that all take at most `limit` bytes; return their names. Call this within `locked`. Raises OSError,
    also if the disk has too little space."""
    remove_drafts(path)
    removed = make_room(size, limit)
    if shutil.disk_usage(path.parent).free < size:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    # Checksums show what a power failure has damaged. Waiting for the disk took a thirtieth of the first epoch.
    replace_by(fill, path, sync=False)
    return removed


def remove(path: Path) -> None:
    """Remove a file with its lock and the drafts of killed processes, unless another process writes it now."""
    with suppress(OSError):
        path.unlink(missing_ok=True)
    with locked(path, lambda: False) as held:
        if held:
            remove_drafts(path)
            with suppress(OSError):
                _lock_of(path).unlink(missing_ok=True)


def remove_remains() -> None:
    """Remove damaged files, files of other versions, and the drafts that killed processes left."""
    folder = cache_folder()
    for lock in _named(".*{}.lock"):
        path = folder / lock.name.removeprefix(".").removesuffix(".lock")
        if read_header(path) is None:
            remove(path)
    for path in _named("*{}"):
        if read_header(path) is None:
            remove(path)


@contextmanager
def locked(path: Path, wait: Callable[[], bool]) -> Iterator[bool]:
    """Yield whether this process may write the file, because no other process does or the file system has no locks.
    While another process writes it, call `wait` until `wait` returns False or the other process ends."""
    try:
        descriptor = os.open(_lock_of(path), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    except OSError:
        yield True
        return
    try:
        held = _lock(descriptor)
        while not held and wait():
            held = _lock(descriptor)
        yield held
    finally:
        os.close(descriptor)


def _lock_of(path: Path) -> Path:
    return path.with_name(f".{path.name}.lock")


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def key_of(parts: Iterator[bytes]) -> str:
    """Return a key that is equal for equal `parts`."""
    digest = blake2b(digest_size=16)
    for part in parts:
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()


def stamps(paths: list[str]) -> Iterator[bytes]:
    """Yield the path, size and modification time of each file, which identify its content."""
    for path in paths:
        with suppress(OSError):
            status = os.stat(path)  # noqa: PTH116 (a million Path objects are slow)
            yield f"{status.st_size} {status.st_mtime_ns} ".encode() + os.fsencode(path)
