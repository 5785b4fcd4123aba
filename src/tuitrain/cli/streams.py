"""Replace stdout and stderr by streams that handle closed pipes and lost terminals, and that libraries cannot write to
by accident."""

import io
import os
import sys
import warnings
from contextlib import suppress
from typing import TextIO

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
        if isinstance(getattr(sys, f"__{name}__"), kind):
            continue  # By an earlier call of `main`; libraries already write elsewhere.
        stream = kind(os.fdopen(os.dup(number), "wb"), encoding="utf-8", errors="replace", line_buffering=True)
        if getattr(sys, name) is getattr(sys, f"__{name}__"):
            setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def drop_library_output() -> None:
    """Keep warnings, and what libraries and child processes write to the descriptors 1 and 2, away from the terminal
    and from `--json` output. `hosts.log_capture` writes them to the log of a run; outside of runs nobody reads them."""
    if not (isinstance(sys.stdout, _Results) and isinstance(sys.stderr, _Messages)):
        return  # Not the program `tuitrain`: `keep_streams` has changed nothing.
    devnull = os.open(os.devnull, os.O_WRONLY)
    for number in (1, 2):
        os.dup2(devnull, number)
    os.close(devnull)
    warnings.showwarning = _log_warning


def _log_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Write a warning, of any thread, to the log of the run that trains in this process, if there is one."""
    log = file or getattr(sys.stderr, "log", None)
    if log is not None:
        with suppress(OSError, ValueError):
            log.write(warnings.formatwarning(message, category, filename, lineno, line))


def _open_missing() -> None:
    """Open closed standard descriptors on /dev/null; otherwise the next opened file would get their number."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
