"""The program's own streams: results go to stdout, talk and the screen to stderr."""

import io
import os
import sys
from contextlib import suppress

from tuitrain.errors import OutputError


class _Talk(io.TextIOWrapper):
    """Where nobody listens any more, as after a dropped line, there is nothing to be said: Textual's thread that writes
    must not end of it, because the app would then wait for that thread for ever."""

    def write(self, text: str) -> int:
        with suppress(OSError):
            super().write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError):
            super().flush()


class _Results(io.TextIOWrapper):
    """Raises OutputError where a result is lost. A reader that has gone, as in `tuitrain runs | head`, wants no more:
    what is written then is dropped."""

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
        # What is left in the buffer would fail once more at the end, and change the exit status.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.fileno(), inheritable=False)
        os.close(nowhere)
        if not isinstance(error, BrokenPipeError):
            raise OutputError(f"stdout cannot be written: {error.strerror}.") from None


def keep_streams() -> None:
    """From now on stdout and stderr write by descriptors of their own, so that 1 and 2 can be led elsewhere, as
    `tuitrain.hosts.log_capture` does."""
    _open_missing()
    for number, name, kind in ((1, "stdout", _Results), (2, "stderr", _Talk)):
        stream = kind(os.fdopen(os.dup(number), "wb"), encoding="utf-8", errors="replace", line_buffering=True)
        if getattr(sys, name) is getattr(sys, f"__{name}__"):
            setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def _open_missing() -> None:
    """The next file that is opened would take the place of a closed one, and be written what is said."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
