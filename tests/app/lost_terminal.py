"""The program in a pseudo-terminal that can hang up."""

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pyte

import forked

# Seconds for anything that is waited for; loading torch on a busy machine is the longest of it.
PATIENCE = 120
WIDTH, HEIGHT = 120, 24


class Terminal:
    """`tuitrain` as the session leader of a pseudo-terminal that can hang up."""

    def __init__(self, *arguments: str, home: Path, program: tuple[str, ...] = ()) -> None:
        """Start a forked process, or `program`, the arguments of a Python that starts the command line."""
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", HEIGHT, WIDTH, 0, 0))
        arguments = (*arguments, "--runs-dir", str(home / "runs"))
        environment = {**os.environ, "TERM": "xterm-256color", "LC_ALL": "C.UTF-8", "HOME": str(home)}
        self.process: forked.Process | subprocess.Popen[bytes]
        if program:
            self.process = subprocess.Popen(
                [sys.executable, *program, *arguments],
                stdin=slave, stdout=slave, stderr=slave, cwd=home, start_new_session=True,
                preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0), env=environment,
            )  # fmt: skip
        else:
            terminal = [os.ttyname(slave)] * 3
            self.process = forked.Process(home, *arguments, streams=terminal, environment=environment)
        os.close(slave)
        self._screen = pyte.Screen(WIDTH, HEIGHT)
        self._stream = pyte.ByteStream(self._screen)

    @property
    def text(self) -> str:
        return "\n".join(self._screen.display)

    def see(self, *words: str) -> None:
        until(lambda: all(word in self.text for word in words), self)

    def end(self) -> int:
        """Wait for the end; return the exit status."""
        until(lambda: self.process.poll() is not None, self)
        self.read()
        return self.process.wait()

    def press(self, keys: str) -> None:
        os.write(self.master, keys.encode())

    def hang_up(self) -> None:
        if self.master >= 0:
            os.close(self.master)
        self.master = -1

    def read(self) -> None:
        """Read all available output."""
        with suppress(OSError):
            while self.master >= 0 and select.select([self.master], [], [], 0.05)[0]:
                # pyte does not know the mark of private sequences such as CSI > 1 u.
                self._stream.feed(os.read(self.master, 65536).replace(b"\x1b[>1u", b"").replace(b"\x1b[<u", b""))


def until(condition: Callable[[], bool], shown: Terminal | None = None) -> None:
    """Wait for the condition, and meanwhile read the output of `shown`, which blocks if nobody reads it."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain:\n{shown.text if shown else ''}"
        if shown is not None:
            shown.read()
        time.sleep(0.02)
