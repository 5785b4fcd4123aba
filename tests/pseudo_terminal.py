"""Read a pseudo-terminal that runs the program, and check everything it prints."""

import re
import signal
import time
from collections.abc import Callable

import pexpect
import pyte

# Seconds to wait for anything; loading torch on a busy machine takes longest.
PATIENCE = 60
# The log at the bottom of the screen, the only place where output of the user's code may appear.
FOOT = 5


class Terminal:
    """The program in a pseudo-terminal; all its output is checked, also what later output overwrites."""

    def __init__(self, process: pexpect.spawn, width: int, height: int) -> None:
        self.process = process
        self.screen = pyte.Screen(width, height)
        self._stream = pyte.ByteStream(self.screen)
        self.raw = b""
        self.quiet = False

    @property
    def lines(self) -> list[str]:
        return list(self.screen.display)

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    def read(self) -> bool:
        """Read available output; return whether the program still runs."""
        self.quiet = False
        try:
            chunk = self.process.read_nonblocking(65536, timeout=0.1)
        except pexpect.TIMEOUT:
            self.quiet = True
            return True
        except pexpect.EOF:
            return False
        self.raw += chunk
        # pyte does not know the mark of private sequences such as CSI > 1 u, and would print what follows it.
        self._stream.feed(re.sub(rb"\x1b\[[<=>][0-9;]*[a-zA-Z]", b"", chunk))
        assert b"Traceback" not in self.raw[-len(chunk) - 100 :], self.raw[-len(chunk) - 100 :].decode(errors="replace")
        # The program itself never ends a line like this.
        assert not re.search(rb"STRAY [A-Z]+\r?\n", self.raw[-2 * len(chunk) - 100 :])
        return True

    def until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not condition():
            alive = self.read()
            assert alive or condition(), f"the program ended:\n{self.text}"
            assert time.monotonic() < deadline, f"waited in vain:\n{self.text}"

    def see(self, *words: str) -> None:
        """Wait for the texts, then until the screen is drawn."""
        self.until(lambda: all(word in self.text for word in words))
        self.until(lambda: self.quiet)
        assert not any("STRAY" in line for line in self.lines[:-FOOT]), self.text

    def press(self, *keys: str) -> None:
        for key in keys:
            self.process.send(key)
            self.read()

    def resize(self, width: int, height: int) -> None:
        self.process.setwinsize(height, width)
        self.screen.resize(height, width)
        self.screen.reset()

    def drain(self) -> None:
        """Read everything until the program ends."""
        deadline = time.monotonic() + PATIENCE
        while self.read():
            assert time.monotonic() < deadline, f"does not end:\n{self.text}"

    def end(self) -> int | None:
        """Wait for the end; return the exit status."""
        self.drain()
        self.process.close()
        status: int | None = self.process.exitstatus
        return status

    @property
    def restored(self) -> bool:
        """Whether the program left the alternate screen and showed the cursor at the end."""
        switches = re.findall(rb"\x1b\[\?(1049|25)([hl])", self.raw)
        last = dict(switches)
        return last.get(b"1049") == b"l" and last.get(b"25") == b"h"


def kill(process: pexpect.spawn) -> None:
    """Kill a program, and wait for its end, for which `close` alone waits too short on a loaded machine."""
    if process.isalive():
        process.kill(signal.SIGKILL)
        process.wait()
    process.close()
