"""Parsing a config.toml takes a third of a millisecond: of thousands, what was parsed once is kept.

A kept configuration is found by the bytes of the file that it was parsed from, and so is never out of date.
"""

from hashlib import blake2b
from pathlib import Path

import msgspec
from msgspec import Struct

from tuitrain import __version__
from tuitrain.config.schema import Config
from tuitrain.runs.files import read, replace
from tuitrain.runs.folder import RunFolder, parse_config

# Fewer are parsed in no time.
WORTH_KEEPING = 100


class _Kept(Struct):
    """Another version may know other settings."""

    version: str
    configs: dict[bytes, Config]


class Configs:
    """The configurations of the runs of one folder, kept in the user's cache folder between sessions."""

    def __init__(self, runs_dir: Path) -> None:
        import platformdirs

        name = blake2b(str(runs_dir.absolute()).encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()
        self._file = platformdirs.user_cache_path("tuitrain", appauthor=False) / "configs" / f"{name}.msgpack"
        self._known: dict[bytes, Config] | None = None
        self._new = 0

    def read(self, folder: RunFolder) -> Config:
        """As `folder.config()`."""
        if self._known is None:
            self._known = self._load()
        content = read(folder.config_file)
        key = blake2b(content, digest_size=16).digest()
        if key not in self._known:
            self._known[key] = parse_config(content)
            self._new += 1
        return self._known[key]

    def _load(self) -> dict[bytes, Config]:
        try:
            kept = msgspec.msgpack.decode(self._file.read_bytes(), type=_Kept)
        except (OSError, ValueError, RecursionError, msgspec.DecodeError):
            return {}
        return kept.configs if kept.version == __version__ else {}

    def keep(self) -> None:
        """Quietly does nothing where it is not worth it, or the file cannot be written."""
        if self._known is None or self._new < WORTH_KEEPING:
            return
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            replace(self._file, msgspec.msgpack.encode(_Kept(__version__, self._known)))
        except (OSError, ValueError):
            return
        self._new = 0
