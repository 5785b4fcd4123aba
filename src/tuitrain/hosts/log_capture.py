"""Prints of the loop, of libraries and of users' code go to the run's log, never onto the screen.

Three ways lead to a terminal: Python's `sys.stdout` and `sys.stderr`, and below them the file descriptors 1 and 2,
which C libraries and child processes write to. `tuitrain.cli.streams` moves the program's own output to descriptors of
its own; `LogCapture` leads the rest away while a run is prepared and trained.
"""

import io
import os
import sys
import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, BinaryIO, TextIO

_active: "LogCapture | None" = None


class _Routed(io.TextIOBase):
    """Stands in for sys.stdout or sys.stderr: what the capturing thread writes, or any thread that is not the main
    one, goes to the capture, everything else where it went before."""

    def __init__(self, behind: TextIO) -> None:
        self.behind = behind

    def _now(self) -> IO[str]:
        here, capture = threading.get_ident(), _active
        if capture and (here == capture.thread or here != threading.main_thread().ident):
            return capture.file
        return self.behind

    def write(self, text: str) -> int:
        # A full disk is no reason for a print to fail.
        with suppress(OSError):
            self._now().write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError):
            self._now().flush()

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return False

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return "utf-8"

    def fileno(self) -> int:
        return self._now().fileno()

    @property
    def buffer(self) -> BinaryIO:
        return self._now().buffer  # type: ignore[attr-defined, no-any-return]


def _flush_c() -> None:
    """C libraries hold back what they print, and would let it go where the descriptors lead by then."""
    with suppress(OSError, AttributeError):
        import ctypes

        ctypes.CDLL(None).fflush(None)


class LogCapture:
    """Around the preparing and the training of one run, in the thread that does it; one at a time in a process."""

    def __init__(self) -> None:
        self.thread = threading.get_ident()
        self.file: IO[str] = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace", buffering=1)  # noqa: SIM115

    def __enter__(self) -> "LogCapture":
        global _active
        self._streams = (sys.stdout, sys.stderr)
        # What was printed before belongs where it was printed to.
        for stream in self._streams:
            stream.flush()
        _flush_c()
        self._descriptors = [(number, os.dup(number)) for number in (1, 2)]
        self._lead_away()
        _active = self
        sys.stdout, sys.stderr = _Routed(sys.stdout), _Routed(sys.stderr)
        return self

    def to(self, log: Path) -> None:
        """From now on into `log`, after what came so far."""
        before, self.file = self.file, log.open("a", encoding="utf-8", errors="replace", buffering=1)
        _flush_c()
        before.flush()
        before.seek(0)
        self.file.write(before.read())
        self._lead_away()
        before.close()

    def _lead_away(self) -> None:
        for number in (1, 2):
            os.dup2(self.file.fileno(), number)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        global _active
        _active = None
        for stream, before in (("stdout", self._streams[0]), ("stderr", self._streams[1])):
            if isinstance(getattr(sys, stream), _Routed):
                setattr(sys, stream, before)
        _flush_c()
        for number, copy in self._descriptors:
            os.dup2(copy, number)
            os.close(copy)
        with suppress(OSError):
            self.file.close()
