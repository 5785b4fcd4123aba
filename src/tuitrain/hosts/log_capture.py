"""Redirect everything that training, libraries and user code print to the run's log file.

Output reaches a terminal through Python's `sys.stdout` and `sys.stderr`, and through the file descriptors 1 and 2,
which C libraries and child processes write to. `tuitrain.cli.streams` gives the program's own output separate
descriptors; `LogCapture` redirects both streams and both descriptors while a run is prepared and trained.
"""

import io
import logging
import os
import sys
import tempfile
import threading
from contextlib import suppress
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import IO, BinaryIO, TextIO

from tuitrain.files import open_to_append

_active: "LogCapture | None" = None
_last_resort = logging.lastResort


class _RedirectedStream(io.TextIOBase):
    """A replacement for sys.stdout or sys.stderr that writes to the log, except in the main thread. If the main thread
    itself trains the run, its output goes to the log too. Libraries may keep the stream, in a logging handler for
    example; what they write after the run is dropped."""

    def __init__(self, original: TextIO) -> None:
        self.original = original

    def _target(self) -> IO[str]:
        thread, capture = threading.get_ident(), _active
        if capture is None:
            return _dropped()
        if thread == capture.thread or thread != threading.main_thread().ident:
            return capture.file
        return self.original

    @property
    def log(self) -> IO[str] | None:
        """The log of the run; None after its end."""
        return None if _active is None else _active.file

    def write(self, text: str) -> int:
        # On a full disk, `print` must not raise in user code.
        with suppress(OSError):
            self._target().write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError):
            self._target().flush()

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return False

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return "utf-8"

    def fileno(self) -> int:
        return self._target().fileno()

    @property
    def buffer(self) -> BinaryIO:
        return self._target().buffer  # type: ignore[attr-defined, no-any-return]


@cache
def _dropped() -> IO[str]:
    return open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123


def _flush_c_streams() -> None:
    """Flush C's buffered output before the descriptors change, so that it reaches its original target."""
    with suppress(OSError, AttributeError):
        import ctypes

        ctypes.CDLL(None).fflush(None)


class LogCapture:
    """A context manager that captures output while the calling thread prepares and trains a run. Output goes to a
    temporary file until `redirect_to` names the log. A process can have one active capture."""

    def __init__(self) -> None:
        self.thread = threading.get_ident()
        self.file: IO[str] = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace", buffering=1)  # noqa: SIM115

    def __enter__(self) -> "LogCapture":
        global _active
        self._streams = (sys.stdout, sys.stderr)
        # Earlier output belongs to the original target.
        for stream in self._streams:
            stream.flush()
        _flush_c_streams()
        self._descriptors = [(number, os.dup(number)) for number in (1, 2)]
        self._redirect_descriptors()
        _active = self
        logging.lastResort = _last_resort
        sys.stdout, sys.stderr = _RedirectedStream(sys.stdout), _RedirectedStream(sys.stderr)
        return self

    def redirect_to(self, log: Path) -> None:
        """Append the output captured so far, and all further output, to `log`."""
        temporary = self.file
        self.file = io.TextIOWrapper(open_to_append(log), encoding="utf-8", errors="replace", line_buffering=True)
        _flush_c_streams()
        temporary.flush()
        temporary.seek(0)
        self.file.write(temporary.read())
        self._redirect_descriptors()
        temporary.close()

    def _redirect_descriptors(self) -> None:
        for number in (1, 2):
            os.dup2(self.file.fileno(), number)

    def __exit__(
        self, type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        global _active
        _active = None
        logging.lastResort = logging.NullHandler()
        for name, original in (("stdout", self._streams[0]), ("stderr", self._streams[1])):
            if isinstance(getattr(sys, name), _RedirectedStream):
                setattr(sys, name, original)
        _flush_c_streams()
        for number, copy in self._descriptors:
            os.dup2(copy, number)
            os.close(copy)
        with suppress(OSError):
            self.file.close()
