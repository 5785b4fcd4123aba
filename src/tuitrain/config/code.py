"""Find the code that settings run: a transform, network or data set from a file, and a command at the end of the
run."""

import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from stat import S_ISREG
from typing import Any

from msgspec import Struct

from tuitrain.config.networks import FILE_NAME
from tuitrain.config.schema import Config
from tuitrain.errors import DataError
from tuitrain.text import plain

FILE_KEYS = TRANSFORM, MODEL, DATASET = "data.transform", "model.name", "data.dataset"
COMMAND = "notify.command"
CODE_KEYS = (*FILE_KEYS, COMMAND)
_EFFECTS = {
    TRANSFORM: "runs {} on each training batch",
    MODEL: "runs {} to build the network",
    DATASET: "runs {} to load the data",
    COMMAND: "runs at the end: {}",
}
# Code is shown up to this number of characters; a user's file has at most this number of bytes.
LONGEST_SHOWN, LARGEST_FILE = 1000, 16 * 2**20
_SPEC = re.compile(FILE_NAME, re.DOTALL)
# Contents of files by absolute path, in the current thread.
_pinned: ContextVar[Mapping[str, bytes]] = ContextVar("pinned", default={})  # noqa: B039 (never changed in place)


class Code(Struct, frozen=True):
    """The value of a setting that runs code; `key` is one of `CODE_KEYS`."""

    key: str
    value: str

    def __str__(self) -> str:
        # Many spaces could move the end of a command out of sight.
        text = plain(" ".join(self.value.split()), LONGEST_SHOWN)
        if len(self.value) > LONGEST_SHOWN:
            text += f" ({len(self.value):,} characters)"
        return _EFFECTS[self.key].format(text)

    @property
    def file(self) -> str:
        """The absolute path of the file that contains the code; empty for a command."""
        return file_of(self.value) if self.key != COMMAND else ""

    def digest(self) -> str:
        """Return the SHA-256 of the file, or an empty string for a command. Raise DataError if it cannot be read."""
        return sha256(read_source(self.file, self.key)) if self.file else ""


def is_spec(value: object) -> bool:
    """Return whether the value of `model.name` or `data.dataset` has the form FILE.py:NAME."""
    return isinstance(value, str) and _SPEC.fullmatch(value) is not None


def short_name(value: str) -> str:
    """Return NAME for FILE.py:NAME, and any other value of `model.name` or `data.dataset` as it is."""
    return value.rpartition(":")[2] if is_spec(value) else value


def without_folder(value: str) -> str:
    """Return FILE.py:NAME without the folder of the file, and any other value as it is."""
    return os.path.basename(value) if is_spec(value) else value  # noqa: PTH119


def described(spec: str) -> str:
    """Return `NAME of FILE.py` for messages."""
    file, _, name = spec.rpartition(":")
    return f"{plain(name)} of {plain(file)}"


def code_of(values: Mapping[str, Any]) -> list[Code]:
    """Return the code in settings, given by dotted key, with absolute paths."""
    found = {key: absolute_path(values.get(key)) for key in FILE_KEYS if key == TRANSFORM or is_spec(values.get(key))}
    found[COMMAND] = values.get(COMMAND)
    return [Code(key, value) for key, value in found.items() if value]


def runs_python(config: Config) -> bool:
    """Return whether training runs one of the user's files."""
    return config.data.transform is not None or is_spec(config.model.name) or is_spec(config.data.dataset)


def absolute_path(path: str | None) -> str | None:
    """Return the absolute path, or the path itself if it begins with `~`."""
    return path if not path or path.startswith("~") else os.path.abspath(path)  # noqa: PTH100 (keeps links)


def absolute_spec(value: str) -> str:
    """Return FILE.py:NAME with an absolute path, and any other value as it is."""
    return absolute_path(value) or value if is_spec(value) else value


def file_of(spec: str) -> str:
    """Return the absolute path of the file in FILE.py:NAME; empty if there is none."""
    return expanded(spec.rpartition(":")[0])


def expanded(file: str) -> str:
    """Return the absolute path, without `~`."""
    file = os.path.expanduser(file)  # noqa: PTH111 (Path.expanduser refuses an unknown user)
    return os.path.abspath(file) if file else ""  # noqa: PTH100


def hint(key: str) -> str:
    """Return what to do about a wrong FILE.py:NAME in the setting `key`."""
    other = {TRANSFORM: "to none", MODEL: "to another network", DATASET: "to another data set"}[key]
    return f"Set {key} to FILE.py:NAME, or {other}."


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@contextmanager
def pinned(sources: Mapping[str, bytes]) -> Iterator[None]:
    """Use `sources`, by absolute path, as the contents of the user's files in this thread, so that tuitrain checks,
    runs and copies the same code even if a file changes."""
    token = _pinned.set({**_pinned.get(), **sources})
    try:
        yield
    finally:
        _pinned.reset(token)


def read_source(file: str, key: str) -> bytes:
    """Return the content of the file at an absolute path, which the setting `key` names: the pinned content, or
    else that on the disk. Raise DataError if it cannot be read."""
    known = _pinned.get().get(file)
    return read_from_disk(file, key) if known is None else known


def read_from_disk(file: str, key: str) -> bytes:
    """Return the content of a user's file on the disk. Raise DataError if it cannot be read."""
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
    raise DataError(f"The file {plain(file)} of {key} cannot be read: {plain(reason)}.", hint(key))


def sources_of(values: Mapping[str, Any]) -> dict[str, bytes]:
    """Return the contents by absolute path of the files that settings, given by dotted key, name. Leave out unreadable
    files: preparing the run reports the reason."""
    found = {}
    for code in code_of(values):
        if code.file:
            try:
                found[code.file] = read_source(code.file, code.key)
            except DataError:
                continue
    return found
