"""Start tuitrain commands in separate processes."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tuitrain.errors import RunError
from tuitrain.files import open_to_append, open_to_read
from tuitrain.hosts.preload import check_working_folder
from tuitrain.text import plain

# Seconds to wait until a new process has registered with its run or sweep.
START_TIMEOUT = 60.0
# Bytes at the end of a log that are searched for its last line.
LONGEST_LINE = 64 * 1024


def tuitrain_command(*arguments: str) -> list[str]:
    """Return the command line that runs `tuitrain` with `arguments` in this Python environment."""
    # -P: the current folder may contain a torch.py.
    return [sys.executable, "-P", "-m", "tuitrain", *arguments]


def start_detached(
    arguments: list[str], log_file: Path, *, stdin: int = subprocess.DEVNULL
) -> "subprocess.Popen[bytes]":
    """Start `tuitrain` in a new session, where neither SIGHUP nor a closed terminal ends it, and log its output. Raise
    RunError if the process cannot be started."""
    try:
        with open_to_append(log_file) as log:
            return subprocess.Popen(
                tuitrain_command(*arguments),
                stdin=stdin, stdout=log, stderr=log, cwd=_folder(log_file), start_new_session=True,
            )  # fmt: skip
    except OSError as error:
        raise RunError(f"No process can be started: {error.strerror}.") from None


def _folder(log_file: Path) -> Path | None:
    """Return the folder to start a process in: None for the working folder or, if it is deleted, that of the log."""
    try:
        check_working_folder()
    except RunError:
        return log_file.parent
    return None


def start_background_process(
    arguments: list[str], log_file: Path, kind: str, has_registered: Callable[[int], bool]
) -> None:
    """Start `tuitrain` like `start_detached`; return when `has_registered(pid)`. Raise RunError if the process of this
    `kind`, run or sweep, cannot be started or ends at once."""
    child = start_detached(arguments, log_file)
    deadline = time.monotonic() + START_TIMEOUT
    while not has_registered(child.pid) and child.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    if child.poll() not in (None, 0) and not has_registered(child.pid):
        reason = last_line(log_file).removeprefix("tuitrain: ") or f"status {child.returncode}"
        raise RunError(f"The {kind}'s background process ended during its start: {reason}")


def last_line(log_file: Path) -> str:
    """Return the last line of a log, or an empty string if it cannot be read."""
    try:
        with open_to_read(log_file) as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - LONGEST_LINE))
            lines = file.read(LONGEST_LINE).decode("utf-8", "replace").splitlines()
    except OSError:
        return ""
    return plain(lines[-1]) if lines else ""
