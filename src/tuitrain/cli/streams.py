"""Replace stdout and stderr by streams that handle closed pipes and lost terminals."""

import io
import os
import sys
from contextlib import suppress

from tuitrain.errors import OutputError


class _Messages(io.TextIOWrapper):
    """Ignore write errors, as after a lost connection. An error would end Textual's writer thread, and the app would
    wait for that thread forever."""

    def write(self, text: str) -> int:
        with suppress(OSError):
            super().write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError):
            super().flush()


class _Results(io.TextIOWrapper):
    """Raise OutputError if a result cannot be written; drop the output if the reader is gone, as in `tuitrain runs |
    head`. `lost` says that the reader is gone."""

    lost = False

    def write(self, text: str) -> int:
        try:
            super().write(text)
        except OSError as error:
            self._fail(error)
        return len(text)

    def flush(self) -> None:
        try:
            super().flush()
        except OSError as error:
            self._fail(error)

    def _fail(self, error: OSError) -> None:
        # The rest of the buffer would fail again at exit and change the exit status.
        devnull = os.open(os.devnull, os.O_WRONLY)
        os.dup2(devnull, self.fileno(), inheritable=False)
        os.close(devnull)
        self.lost = True
        if not isinstance(error, BrokenPipeError):
            raise OutputError(f"stdout cannot be written: {error.strerror}.") from None


def keep_streams() -> None:
    """Let stdout and stderr write to duplicated descriptors, so that `hosts.log_capture` can redirect 1 and 2."""
    _open_missing()
    for number, name, kind in ((1, "stdout", _Results), (2, "stderr", _Messages)):
        stream = kind(os.fdopen(os.dup(number), "wb"), encoding="utf-8", errors="replace", line_buffering=True)
        if getattr(sys, name) is getattr(sys, f"__{name}__"):
            setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def _open_missing() -> None:
    """Open closed standard descriptors on /dev/null; otherwise the next opened file would get their number."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
