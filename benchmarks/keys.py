"""Key latency while a run trains, and the longest block of the app's event loop.

    uv run python benchmarks/keys.py [--quick] [--write]

Measures first in the form, from the start of a run until it trains. Then the app trains digits at full speed in a
pseudo-terminal of 120x40, in a thread or in a background process. Key latency ends with the first byte that the app
writes in response to keys of curves, pages and help. A frame is the delay of a 5 ms timer in the event loop.
"""

import asyncio
import gc
import os
import sys
import time
from pathlib import Path

from claims import Claim, at_most, figure, p95, report
from terminal import Terminal, background_run, home
from tuitrain.app.app import TuitrainApp
from tuitrain.cli.streams import keep_streams
from tuitrain.hosts.thread import ThreadHost
from tuitrain.runs.folder import RunFolder

KEYS = (
    "+", "-", "L", "L", "\x1b[D", "\x1b[C", "i", "I", "X", "X", "X", "0", "2", "1", "3", "1", "?", "\x1b[B", "?",
    "z", "z", "z",
)  # fmt: skip
TIMER = 0.005


class Measured(TuitrainApp):
    """The app, which prints the delays of a timer in its event loop once a run trains."""

    def on_mount(self) -> None:
        super().on_mount()
        self.lags: list[float] = []
        self.run_worker(self.look(), exit_on_error=False)

    async def look(self) -> None:
        while True:
            due = time.monotonic() + TIMER
            await asyncio.sleep(TIMER)
            self.lags.append(time.monotonic() - due)
            if len(self.lags) == 2000:
                os.write(int(os.environ["LAGS"]), (" ".join(f"{1000 * lag:.1f}" for lag in self.lags) + "\n").encode())
                self.lags.clear()


def child(runs_dir: Path, run: str) -> None:
    keep_streams()
    gc.disable()
    host = ThreadHost()
    first = RunFolder(runs_dir / run) if run else None
    if first is None:
        from tuitrain.config.schema import Config
        from tuitrain.config.values import override
        from tuitrain.hosts.launch import RunSpec

        host.start(RunSpec(config=override(Config(), ["training.epochs=100000"]), runs_dir=runs_dir, name="here"))
        while host.folder is None or host.folder.state().step == 0:
            time.sleep(0.05)
        first = host.folder
    Measured(runs_dir, host, first).run(mouse=False)
    host.cancel()
    host.join()


def answered(runs_dir: Path, run: str, rounds: int) -> tuple[list[float], list[float]]:
    """Return key latencies and event loop delays in milliseconds."""
    read, write = os.pipe()
    os.set_inheritable(write, True)
    os.environ["LAGS"] = str(write)
    with Terminal(__file__, "--child", runs_dir, run) as terminal:
        terminal.see("images/s")
        terminal.quiet(0.3, 5)
        times = []
        for key in KEYS * rounds:
            # Between two timed redraws, so that the output is the response to the key.
            terminal.quiet(0.1, 2)
            before, pressed = len(terminal.written), terminal.press(key)
            while len(terminal.written) == before and time.monotonic() < pressed + 0.4:
                terminal.read(0.002)
            if len(terminal.written) > before:
                times.append(1000 * (terminal.times[-1][0] - pressed))
        terminal.follow(12)
    os.set_blocking(read, False)
    lags: list[float] = []
    while True:
        try:
            piece = os.read(read, 1 << 20)
        except BlockingIOError:
            break
        lags += [float(word) for word in piece.split()]
    os.close(read)
    os.close(write)
    return times, lags


def while_loading(runs_dir: Path) -> list[float]:
    """Return key latencies of the form in milliseconds, from the start of a run until it is visible."""
    times = []
    with Terminal("-m", "tuitrain", "--runs-dir", runs_dir) as terminal:
        terminal.see("quit")
        terminal.press("n")
        terminal.see("New run")
        terminal.follow(2)
        terminal.press("\x12")
        while b"images/s" not in terminal.written:
            for key in ("\x1b[B", "\x1b[A"):
                before, pressed = len(terminal.written), terminal.press(key)
                while len(terminal.written) == before and time.monotonic() < pressed + 2:
                    terminal.read(0.002)
                if b"images/s" not in terminal.written:
                    times.append(1000 * (terminal.times[-1][0] - pressed))
                terminal.follow(0.05)
        terminal.press("q")
        terminal.follow(0.5)
        terminal.press("s")
        terminal.follow(2)
    return times


def claims(quick: bool = False) -> list[Claim]:
    rounds = 2 if quick else 6
    with home() as folder:
        loading = [one for number in range(rounds // 2) for one in while_loading(folder / f"loading-{number}")]
        here, lags_here = answered(folder / "here", "", rounds)
        with background_run(folder / "own", "training.epochs=100000") as run:
            own, lags_own = answered(folder / "own", run.id, rounds)
    return [
        at_most(f"key to screen, run in a thread of the app, p95 of {len(here)}", 50, p95(here), "ms"),
        at_most(f"key to screen, run in a background process, p95 of {len(own)}", 30, p95(own), "ms"),
        at_most(f"key to screen, while torch is loaded, p95 of {len(loading)}", 100, p95(loading), "ms"),
        at_most(f"longest frame, run in a thread of the app, of {len(lags_here)}", 50, max(lags_here), "ms"),
        at_most(f"longest frame, run in a background process, of {len(lags_own)}", 50, max(lags_own), "ms"),
        figure(
            "frame, run in a thread of the app, 99.9th percentile", sorted(lags_here)[int(0.999 * len(lags_here))], "ms"
        ),
    ]


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(Path(sys.argv[2]), sys.argv[3])
    else:
        report(__file__, claims)
