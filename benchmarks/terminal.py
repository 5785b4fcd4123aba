"""Run a program in a pseudo-terminal, and a run in the background."""

import os
import pty
import select
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fcntl import ioctl
from pathlib import Path
from types import TracebackType
from typing import Self

from tuitrain.runs.folder import RunFolder, shown_status

PATIENCE = 120.0


class Terminal:
    """A program in a pseudo-terminal; `written` is its output, `times` contains the time of each piece of it."""

    def __init__(self, *arguments: str | Path, width: int = 120, height: int = 40) -> None:
        self.written = b""
        self.times: list[tuple[float, int]] = []
        self.begun = time.monotonic()
        self.pid, self.screen = pty.fork()
        if self.pid == 0:
            os.environ.update(TERM="xterm-256color", COLORTERM="truecolor", LC_ALL="C.UTF-8", PYTHONWARNINGS="ignore")
            os.execv(sys.executable, [sys.executable, *map(str, arguments)])
        ioctl(self.screen, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self.end()

    def read(self, timeout: float = 0.1) -> bytes:
        """Return the output within a time; empty if there is none, or if the program has ended."""
        if not self.waiting(timeout):
            return b""
        try:
            piece = os.read(self.screen, 65536)
        except OSError:
            return b""
        self.written += piece
        self.times.append((time.monotonic(), len(piece)))
        return piece

    def waiting(self, timeout: float) -> bool:
        return bool(select.select([self.screen], [], [], timeout)[0])

    def press(self, keys: str) -> float:
        os.write(self.screen, keys.encode())
        return time.monotonic()

    def until(self, condition: Callable[[], bool]) -> float:
        """Read until the condition holds; return the time of that. Raises TimeoutError."""
        end = time.monotonic() + PATIENCE
        while not condition():
            self.read(0.02)
            if time.monotonic() > end:
                raise TimeoutError(f"waited in vain; the end of what came: {self.written[-2000:]!r}")
        return self.times[-1][0]

    def see(self, text: str, since: int = 0) -> float:
        """Wait for a contiguous text after a position in the output; return the time of its arrival."""
        return self.until(lambda: text.encode() in self.written[since:])

    def quiet(self, seconds: float, longest: float = 10.0) -> float:
        """Read until there was no output for some seconds; return the time of the last output."""
        end = time.monotonic() + longest
        while self.read(seconds) and time.monotonic() < end:
            pass
        return self.times[-1][0] if self.times else self.begun

    def follow(self, seconds: float) -> int:
        """Return the number of bytes written within a time."""
        before, end = len(self.written), time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.read(left)
        return len(self.written) - before

    def end(self) -> float:
        """Stop the program; return its CPU seconds."""
        os.kill(self.pid, signal.SIGTERM)
        deadline = time.monotonic() + 10
        while True:
            self.read(0.05)
            pid, _, usage = os.wait4(self.pid, os.WNOHANG)
            if pid:
                os.close(self.screen)
                return usage.ru_utime + usage.ru_stime
            if time.monotonic() > deadline:
                os.kill(self.pid, signal.SIGKILL)


@contextmanager
def home() -> Iterator[Path]:
    """Create a home folder for the programs, which store their bytecode as an installation does."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    with tempfile.TemporaryDirectory() as path:
        for name in ("CONFIG", "CACHE", "DATA", "STATE"):
            os.environ[f"XDG_{name}_HOME"] = path
        yield Path(path)


@contextmanager
def background_run(runs_dir: Path, *settings: str) -> Iterator[RunFolder]:
    """Train a run in a background process; stop it at the end."""
    command, where = [sys.executable, "-m", "tuitrain"], ["--runs-dir", str(runs_dir)]
    train = [*command, "train", "--detach", *where, *(f"--set={setting}" for setting in settings)]
    started = subprocess.run(train, capture_output=True, check=True, text=True)
    folder = RunFolder(runs_dir / started.stdout.strip())
    try:
        yield folder
    finally:
        subprocess.run([*command, "stop", folder.id, *where], capture_output=True, check=False)
        while shown_status(folder.state()) in ("queued", "running", "paused"):
            time.sleep(0.1)
