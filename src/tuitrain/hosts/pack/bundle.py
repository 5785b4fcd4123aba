"""Write a bundle, a tar file, completely or not at all."""

import io
import os
import tarfile
import time
from collections.abc import Iterable
from pathlib import Path

from msgspec import Struct

from tuitrain.errors import RunError
from tuitrain.files import open_to_read
from tuitrain.text import plain


class Item(Struct, frozen=True):
    """A file in a bundle: the file at `source`, or `content`, or a symbolic link to `link`."""

    name: str
    source: Path | None = None
    content: bytes = b""
    link: str = ""
    size: int = 0

    @classmethod
    def of_file(cls, name: str, source: Path) -> "Item":
        try:
            return cls(name, source=source, size=source.stat().st_size)
        except OSError as error:
            raise not_read(source, error) from None

    @classmethod
    def of_bytes(cls, name: str, content: bytes) -> "Item":
        return cls(name, content=content, size=len(content))


def not_read(path: Path, error: OSError) -> RunError:
    return RunError(f"{plain(path)} cannot be read: {error.strerror or plain(error)}.")


def write_items(archive: tarfile.TarFile, items: Iterable[Item]) -> None:
    """Add files to an archive, without the user's name and identifiers. Raise RunError if one of them cannot be read,
    and OSError if the archive cannot be written."""
    for item in items:
        entry = tarfile.TarInfo(item.name)
        entry.mtime, entry.mode = int(time.time()), 0o644
        if item.link:
            entry.type, entry.linkname = tarfile.SYMTYPE, item.link
            archive.addfile(entry)
        elif item.source is None:
            entry.size = len(item.content)
            archive.addfile(entry, io.BytesIO(item.content))
        else:
            try:
                file = open_to_read(item.source)
            except OSError as error:
                raise not_read(item.source, error) from None
            with file:
                entry.size = os.fstat(file.fileno()).st_size
                archive.addfile(entry, file)
