"""The bytes per second that the app writes to the terminal, and its latency over a slow connection.

    uv run python benchmarks/line.py [--quick] [--write]

In a pseudo-terminal of 120x40: the first screen with 100 runs, idle, following a run with default settings, with the
setting for slow lines, and over a relay that limits both directions to 56 kbit/s with 300 ms delay.
"""

import os
import re
import statistics
import time
from collections import deque
from pathlib import Path

import pyte

from claims import Claim, at_most, figure, p95, report
from runs_made import write_run
from terminal import Terminal, background_run, home

BITS, DELAY = 56_000, 0.3
QUESTION, ANSWER = b"\x1b[6n", "\x1b[1;1R"


class Relay(Terminal):
    """A terminal behind a slow connection, which delays output, keys and answers."""

    def __init__(self, *arguments: str | Path, bits: float = BITS, delay: float = DELAY) -> None:
        super().__init__(*arguments)
        self.rate, self.delay = bits / 8, delay
        self.seen = b""
        self._screen = pyte.Screen(120, 40)
        self._stream, self._fed = pyte.ByteStream(self._screen), 0
        self._free = 0.0
        self._coming: deque[tuple[float, bytes]] = deque()
        self._going: deque[tuple[float, str]] = deque()

    def press(self, keys: str) -> float:
        self._going.append((time.monotonic() + self.delay, keys))
        return time.monotonic()

    def carry(self, seconds: float) -> None:
        """Relay bytes for a time."""
        end = time.monotonic() + seconds
        while (now := time.monotonic()) < end:
            while self._going and self._going[0][0] <= now:
                os.write(self.screen, self._going.popleft()[1].encode())
            # The program blocks while the connection is full.
            if self._free < now + 0.05 and (piece := os.read(self.screen, 256) if self.waiting(0.005) else b""):
                self.written += piece
                self._free = max(self._free, now) + len(piece) / self.rate
                self._coming.append((self._free + self.delay, piece))
            else:
                time.sleep(0.005)
            while self._coming and self._coming[0][0] <= now:
                arrived = self._coming.popleft()[1]
                before = self.seen.count(QUESTION)
                self.seen += arrived
                for _ in range(self.seen.count(QUESTION) - before):
                    self.press(ANSWER)

    def key(self, keys: str, until: str) -> float:
        """Return the seconds from a key until a text arrives at the terminal."""
        begun = self.press(keys)
        while not self.shows(until):
            if time.monotonic() > begun + 30:
                raise TimeoutError(f"{until} is not on the screen")
            self.carry(0.05)
        return time.monotonic() - begun

    def shows(self, text: str) -> bool:
        self._stream.feed(re.sub(rb"\x1b\[[<=>][0-9;]*[a-zA-Z]", b"", self.seen[self._fed :]))
        self._fed = len(self.seen)
        return any(text in line for line in self._screen.display)


def first_screen(folder: Path) -> tuple[int, float]:
    """Return the bytes of the first screen, and bytes per second while idle."""
    with Terminal("-m", "tuitrain", "--runs-dir", folder) as terminal:
        terminal.see("run-99")
        terminal.quiet(1.5)
        first = len(terminal.written)
        return first, terminal.follow(10) / 10


def following(folder: Path, run: str, seconds: float, slow: str) -> float:
    """Return the bytes per second while following a run."""
    Path(os.environ["XDG_CONFIG_HOME"], "tuitrain").mkdir(exist_ok=True)
    Path(os.environ["XDG_CONFIG_HOME"], "tuitrain", "app.toml").write_text(f'slow_line = "{slow}"\n')
    with Terminal("-m", "tuitrain", "attach", run, "--runs-dir", folder) as terminal:
        terminal.see("images/s")
        terminal.quiet(0.3, 3)
        return terminal.follow(seconds) / seconds


def far_away(folder: Path, run: str, keys: int) -> tuple[float, list[float]]:
    """Return bytes per second and key latencies in seconds over the slow connection."""
    Path(os.environ["XDG_CONFIG_HOME"], "tuitrain", "app.toml").write_text('slow_line = "auto"\n')
    with Relay("-m", "tuitrain", "attach", run, "--runs-dir", folder) as relay:
        while b"images/s" not in relay.seen:
            relay.carry(0.1)
        relay.carry(5)
        before = len(relay.written)
        relay.carry(40)
        followed = (len(relay.written) - before) / 40
        times = []
        for number in range(keys):
            times.append(relay.key("2", "gradient norm") if number % 2 == 0 else relay.key("1", "╭─ loss"))
            relay.carry(2)
        return followed, times


def claims(quick: bool = False) -> list[Claim]:
    seconds = 20 if quick else 60
    with home() as folder:
        for number in range(100):
            write_run(folder / "some", number, 50)
        screens = [first_screen(folder / "some") for _ in range(1 if quick else 3)]
        with background_run(folder / "live", "training.epochs=100000") as run:
            quick_line = following(folder / "live", run.id, seconds, "off")
            slow_line = following(folder / "live", run.id, seconds, "on")
            far, keys = far_away(folder / "live", run.id, 6 if quick else 15)
    return [
        at_most("first screen with 100 runs", 30, statistics.median(first for first, _ in screens) / 1000, "kB"),
        at_most("idle", 0, max(rest for _, rest in screens), "B/s"),
        at_most("following a run, default settings", 2, quick_line / 1000, "kB/s"),
        at_most("following a run, slow line", 0.5, slow_line / 1000, "kB/s"),
        at_most("following a run over 56 kbit/s and 300 ms, detected automatically", 0.5, far / 1000, "kB/s"),
        at_most("key to another page over 56 kbit/s and 300 ms each way, median", 2, statistics.median(keys), "s"),
        figure("the same, 95th percentile", p95(keys), "s"),
    ]


if __name__ == "__main__":
    report(__file__, claims)
