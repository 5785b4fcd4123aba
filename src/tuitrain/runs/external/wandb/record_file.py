"""Read the records of a growing .wandb file.

The file begins with 7 bytes. Records have LevelDB's log format: blocks of 32 KiB with chunks, each with a checksum, a
length and a type. A record is one FULL chunk, or a FIRST one, MIDDLE ones and a LAST one.
"""

import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from time import monotonic

from tuitrain.files import open_to_read
from tuitrain.text import plain

BEGINNING = b":W&B\xe1\xbe\x00"
BLOCK = 2**15
_CHUNK_HEADER = struct.Struct("<IHB")
_FULL, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4
_TYPES = (_FULL, _FIRST, _MIDDLE, _LAST)
# The checksum of each type, which that of its data continues.
_SEEDS = {kind: zlib.crc32(bytes([kind])) for kind in _TYPES}
# The number of blocks that are read at once.
_BLOCKS = 32
# Longer records contain no numbers of a run.
LONGEST = 2**22


class RecordFile:
    """Calls `take` with each record. `problem` describes damage; undamaged records are still read."""

    def __init__(self, path: Path, take: Callable[[bytes], None]) -> None:
        self.path, self._take = path, take
        self.problem = ""
        self.offset = 0
        self._parts: list[bytes] = []
        self._inside = False

    def poll(self, deadline: float) -> bool:
        """Read until `deadline` (of time.monotonic); return whether there is more to read. Raises OSError."""
        with open_to_read(self.path) as file:
            size = os.fstat(file.fileno()).st_size
            if not self.offset and not self._begin(file.read(len(BEGINNING))):
                return False
            while True:
                file.seek(self.offset)
                before = self.offset
                self._read(file.read(_BLOCKS * BLOCK - self.offset % BLOCK))
                if self.offset == before or self.offset >= size:
                    return False
                if monotonic() > deadline:
                    return True

    def _begin(self, beginning: bytes) -> bool:
        if beginning == BEGINNING:
            self.offset = len(BEGINNING)
        elif not BEGINNING.startswith(beginning):
            self._damaged(0, "it does not begin like a W&B file")
        return self.offset > 0

    def _read(self, data: bytes) -> None:
        """Read the complete chunks of `data`, which begins at `offset`."""
        start, at = self.offset, 0
        while True:
            left = BLOCK - (start + at) % BLOCK
            if left < _CHUNK_HEADER.size:
                # The rest of a block is empty.
                at += left
                continue
            if at + _CHUNK_HEADER.size > len(data):
                break
            checksum, length, kind = _CHUNK_HEADER.unpack_from(data, at)
            end = at + _CHUNK_HEADER.size + length
            if kind not in _TYPES or length > left - _CHUNK_HEADER.size:
                self._damaged(start + at, "invalid record")
                self._inside = False
                at += left
                continue
            if end > len(data):
                break
            content = data[at + _CHUNK_HEADER.size : end]
            if zlib.crc32(content, _SEEDS[kind]) == checksum:
                self._add(kind, content)
            else:
                self._damaged(start + at, "wrong checksum")
                self._inside = False
            at = end
        self.offset = start + min(at, len(data))

    def _add(self, kind: int, content: bytes) -> None:
        if kind in (_FULL, _FIRST):
            self._parts, self._inside = [], True
        if not self._inside:
            return
        if sum(map(len, self._parts)) + len(content) > LONGEST:
            self._inside = False
            return
        self._parts.append(content)
        if kind in (_FULL, _LAST):
            self._inside = False
            self._take(b"".join(self._parts))

    def _damaged(self, at: int, reason: str) -> None:
        self.problem = self.problem or f"{plain(self.path.name, 80)} is damaged at byte {at:,}: {reason}."
