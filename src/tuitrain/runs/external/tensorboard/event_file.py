"""Read the scalars of one event file while it grows; skip images, histograms and everything else."""

import os
import struct
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import NamedTuple

from tuitrain.runs.external.protobuf import BYTES, FIXED32, FIXED64, VARINT, fields, signed
from tuitrain.runs.external.source import Series
from tuitrain.runs.external.tensorboard.tfrecord import FOOTER, HEADER, length, masked_crc
from tuitrain.text import plain

CHUNK = 2**20
# Longer records contain no scalar and are skipped without reading them.
LONGEST = CHUNK - HEADER - FOOTER
# The maximum number of tags. A file with more of them is not a log of training.
MOST_TAGS = 10_000
LONGEST_TAG = 400
_FLOAT, _DOUBLE, _HALF, _CRC = (struct.Struct(form) for form in ("<f", "<d", "<e", "<I"))
# The format of numbers in a tensor, by its dtype, and by the field that contains them.
_BY_TYPE = {1: _FLOAT, 2: _DOUBLE, 19: _HALF}
_BY_FIELD = {5: _FLOAT, 6: _DOUBLE}
_START = 1


class _Template(NamedTuple):
    """The constant bytes before and after the number in all events of one tag, which makes reading them fast."""

    before: bytes
    after: bytes
    unpack: Callable[[bytes, int], tuple[float, ...]]
    series: Series


class EventFile:
    """Reads one event file; `poll` appends new values to `series`, by tag. `problem` describes damage; readable values
    are kept. `plugin(name, content)` receives the data of plugins such as hparams."""

    def __init__(self, path: Path, series: dict[str, Series], plugin: Callable[[str, bytes], None]) -> None:
        self.path, self.series, self._plugin = path, series, plugin
        self.problem = ""
        self.offset = 0
        self.changes = 0
        self.first = self.last = 0.0
        self._stopped = False
        self._lengths: dict[bytes, int] = {}
        self._templates: dict[int, list[_Template]] = {}

    def poll(self, deadline: float) -> bool:
        """Read until `deadline` (of time.monotonic); return whether there is more to read. Raises OSError."""
        if self._stopped:
            return False
        with self.path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            while True:
                file.seek(self.offset)
                chunk = file.read(CHUNK)
                taken = self._read_records(chunk)
                if not taken and not self._stopped:
                    taken = self._size_of_long_record(chunk, size)
                self.offset += taken
                if not taken or self._stopped or self.offset >= size:
                    return False
                if monotonic() > deadline:
                    return True

    def _read_records(self, chunk: bytes) -> int:
        """Read the complete records of the chunk; return the position after them."""
        at, size, lengths = 0, len(chunk), self._lengths
        while size - at >= HEADER:
            header = chunk[at : at + HEADER]
            size_of_data = lengths.get(header)
            if size_of_data is None:
                size_of_data = self._length(header, self.offset + at)
                if size_of_data is None:
                    return at
            end = at + HEADER + size_of_data
            if end + FOOTER > size:
                return at
            data = chunk[at + HEADER : end]
            if masked_crc(data) == _CRC.unpack_from(chunk, end)[0]:
                self._event(data)
            elif not self.problem:
                self.problem = f"{self._name} is damaged at byte {self.offset + at:,}: wrong checksum."
            at = end + FOOTER
        return at

    def _length(self, header: bytes, at: int) -> int | None:
        size = length(header)
        if size is None:
            # The position of the next record is unknown.
            self.problem = f"{self._name} is damaged from byte {at:,} on: invalid record header."
            self._stopped = True
        elif len(self._lengths) < MOST_TAGS:
            self._lengths[header] = size
        return size

    def _size_of_long_record(self, chunk: bytes, size: int) -> int:
        """Return the size of a complete record that is too long for a scalar, otherwise 0."""
        record_size = HEADER + (length(chunk[:HEADER]) or 0) + FOOTER if len(chunk) >= HEADER else 0
        return record_size if record_size > LONGEST and self.offset + record_size <= size else 0

    @property
    def _name(self) -> str:
        return plain(self.path.name, 80)

    def _event(self, data: bytes) -> None:
        """Read an event, by the template of an earlier similar event if possible."""
        rest = None
        if len(data) > 10 and data[0] == 0x09:
            step, rest = 0, 9
            if data[9] == 0x10:
                shift, rest = 0, 10
                while rest < len(data) - 1 and data[rest] > 127:
                    step |= (data[rest] & 127) << shift
                    shift, rest = shift + 7, rest + 1
                step |= data[rest] << shift
                rest += 1
            for before, after, unpack, series in self._templates.get(len(data) - rest, ()):
                if data.startswith(before, rest) and data.endswith(after):
                    (wall,) = _DOUBLE.unpack_from(data, 1)
                    self._add(series, signed(step), wall, unpack(data, rest + len(before))[0])
                    return
        self._parse(data, rest)

    def _add(self, series: Series, step: int, wall: float, value: float) -> None:
        self.changes += 1
        self.first, self.last = self.first or wall, wall
        series.step.append(step)
        series.time.append(wall)
        series.value.append(value)

    def _parse(self, data: bytes, rest: int | None) -> None:
        """Parse an event. With `rest`, the position after its step, store a template of it."""
        wall, step = 0.0, 0
        values: list[tuple[int, int]] = []
        try:
            for number, wire, begin, end in fields(data, 0, len(data)):
                if number == 1 and wire == FIXED64:
                    (wall,) = _DOUBLE.unpack_from(data, begin)
                elif number == 2 and wire == VARINT:
                    step = signed(begin)
                elif number == 5 and wire == BYTES:
                    values += [(b, e) for n, w, b, e in fields(data, begin, end) if (n, w) == (1, BYTES)]
                elif (number, wire) == (7, BYTES) and _is_start(data, begin, end):
                    self._restart(step)
            for begin, end in values:
                self._value(data, begin, end, step, wall, rest if len(values) == 1 else None)
        except (ValueError, struct.error):
            self.problem = self.problem or f"{self._name} contains an invalid record."

    def _restart(self, step: int) -> None:
        """Remove values from `step` on: a restarted writer writes them again."""
        for series in self.series.values():
            series.cut(step)
        self.changes += 1

    def _value(self, data: bytes, begin: int, end: int, step: int, wall: float, rest: int | None) -> None:
        tag, plugin, content, number = "", "", b"", None
        for field, wire, start, stop in fields(data, begin, end):
            if field == 1 and wire == BYTES:
                tag = plain(data[start:stop].decode("utf-8", "replace"), LONGEST_TAG)
            elif field == 2 and wire == FIXED32:
                number = (start, _FLOAT)
            elif field == 8 and wire == BYTES:
                number = _tensor(data, start, stop)
            elif field == 9 and wire == BYTES:
                plugin, content = _metadata(data, start, stop)
        if plugin and plugin != "scalars":
            self._plugin(plugin, content)
            return
        if number is None or (tag not in self.series and len(self.series) >= MOST_TAGS):
            return
        at, form = number
        series = self.series.setdefault(tag, Series())
        self._add(series, step, wall, form.unpack_from(data, at)[0])
        # Only the first tensor of a tag has metadata, which says that it is a scalar; later ones match its template.
        if rest is not None and (size := len(data) - rest) < 2 * LONGEST_TAG:
            known = self._templates.setdefault(size, [])
            if len(known) < 64:
                known.append(_Template(data[rest:at], data[at + form.size :], form.unpack_from, series))


def _is_start(data: bytes, begin: int, end: int) -> bool:
    """Return whether a SessionLog says that a writer has started."""
    return (1, VARINT, _START) in {field[:3] for field in fields(data, begin, end)}


def _metadata(data: bytes, begin: int, end: int) -> tuple[str, bytes]:
    """Return the name and the data of the plugin."""
    name, content = "", b""
    for number, wire, start, stop in fields(data, begin, end):
        if number == 1 and wire == BYTES:
            for field, kind, first, last in fields(data, start, stop):
                if field == 1 and kind == BYTES:
                    name = data[first:last].decode("utf-8", "replace")
                elif field == 2 and kind == BYTES:
                    content = data[first:last]
    return name, content


def _tensor(data: bytes, begin: int, end: int) -> tuple[int, struct.Struct] | None:
    """Return position and format of the number in a tensor with one element, otherwise None."""
    kind, found = 0, None
    for number, wire, start, stop in fields(data, begin, end):
        if number == 1 and wire == VARINT:
            kind = start
        elif number == 4 and wire == BYTES:
            form = _BY_TYPE.get(kind)
            found = (start, form) if form and stop - start == form.size else None
        elif number in _BY_FIELD and wire in (BYTES, FIXED32, FIXED64):
            form = _BY_FIELD[number]
            found = (start, form) if stop - start == form.size else None
    return found
