"""Start tuitrain commands in separate processes."""

import subprocess
import sys
from pathlib import Path

from tuitrain.errors import RunError
from tuitrain.text import plain


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
        with log_file.open("ab") as log:
            return subprocess.Popen(
                tuitrain_command(*arguments), stdin=stdin, stdout=log, stderr=log, start_new_session=True
            )
    except OSError as error:
        raise RunError(f"No process can be started: {error.strerror}.") from None


def last_line(log_file: Path) -> str:
    try:
        lines = log_file.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    return plain(lines[-1]) if lines else ""
