"""The settings that run code: a transform of each training batch, and a command at the end of the run."""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from stat import S_ISREG
from typing import Any

from msgspec import Struct

from tuitrain.errors import DataError
from tuitrain.text import plain

CODE_KEYS = TRANSFORM, COMMAND = "data.transform", "notify.command"
TRANSFORM_HINT = "Set data.transform to FILE.py:NAME, or to none."
# Code is shown up to this number of characters; the file of a transform has at most this number of bytes.
LONGEST_SHOWN, LARGEST_FILE = 1000, 16 * 2**20


class Code(Struct, frozen=True):
    """The value of a setting that runs code; `key` is `TRANSFORM` or `COMMAND`."""

    key: str
    value: str

    def __str__(self) -> str:
        # Many spaces could move the end of a command out of sight.
        text = plain(" ".join(self.value.split()), LONGEST_SHOWN)
        if len(self.value) > LONGEST_SHOWN:
            text += f" ({len(self.value):,} characters)"
        return f"runs {text} on each training batch" if self.key == TRANSFORM else f"runs at the end: {text}"

    def digest(self) -> str:
        """Return the SHA-256 of a transform's file, or an empty string for a command. Raise DataError if it cannot be
        read."""
        file = transform_file(self.value)
        return hashlib.sha256(read_transform(file)).hexdigest() if self.key == TRANSFORM and file else ""


def code_of(values: Mapping[str, Any]) -> list[Code]:
    """Return the code in settings, given by dotted key, with absolute paths."""
    found = {TRANSFORM: absolute_path(values.get(TRANSFORM)), COMMAND: values.get(COMMAND)}
    return [Code(key, value) for key, value in found.items() if value]


def absolute_path(path: str | None) -> str | None:
    """Return the absolute path, or the path itself if it begins with `~`."""
    return path if not path or path.startswith("~") else os.path.abspath(path)  # noqa: PTH100 (keeps links)


def transform_file(spec: str) -> str:
    """Return the path of the file in a transform FILE.py:NAME, without `~`."""
    return os.path.expanduser(spec.rpartition(":")[0])  # noqa: PTH111 (Path.expanduser refuses an unknown user)


def read_transform(file: str) -> bytes:
    """Return the source of the file that data.transform names. Raise DataError if it cannot be read."""
    try:
        path = Path(file)
        stat = path.stat()
        if not S_ISREG(stat.st_mode):
            reason: object = "it is not a regular file"
        elif stat.st_size > LARGEST_FILE:
            reason = f"it is larger than {LARGEST_FILE // 2**20} MB"
        else:
            return path.read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
    raise DataError(f"The file {plain(file)} of data.transform cannot be read: {plain(reason)}.", TRANSFORM_HINT)
