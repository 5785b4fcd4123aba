"""Ten runs of 100,000 train rows each, compared: how soon they are seen, how soon keys are answered, how much memory.

    uv run python benchmarks/compare_large.py [--runs 10] [--rows 100000] [--rounds 3]

The app runs in a pseudo-terminal of 120x40; a key is answered once the last byte that it brings about has been written.
"""

import argparse
import gc
import json
import os
import platform
import pty
import select
import signal
import statistics
import struct
import sys
import tempfile
import termios
import time
from fcntl import ioctl
from pathlib import Path

import psutil

from claims import Claim, at_most, figure
from runs_made import write_run
from tuitrain.app import TuitrainApp
from tuitrain.hosts.thread import ThreadHost
from tuitrain.runs.folder import folders
from tuitrain.screens.compare import Compare
from tuitrain.widgets.navigation import CompareRuns

EPOCHS = 100
KEYS = ("m", "m", "right", *["left"] * 6, "down", "down", "b", "x", "left", "left", "+", "+", "-", "-", "i", "i",
        "[", "left", "o", "o", "e", "e", "g", "g", "a", "a", "down", "m", "left", "m", "0", "O", "O", "x", "x",
        "x")  # fmt: skip
CODES = {"left": "\x1b[D", "right": "\x1b[C", "down": "\x1b[B"}
QUIET = 0.15
TARGETS = {"first frame, s": 1.0, "all curves, s": 3.0, "key to screen p95, ms": 50.0, "resident, MiB": 150.0}


class Measured(TuitrainApp):
    """Opens the comparison and says when it is seen."""

    CSS_PATH = str(Path(sys.modules[TuitrainApp.__module__].__file__ or "").parent / "app.tcss")

    def on_mount(self) -> None:
        super().on_mount()
        self.say("opened")
        self.post_message(CompareRuns(list(folders(self.runs_dir))))
        self.looking = self.set_interval(0.01, self.look)
        self.seen = ""

    def look(self) -> None:
        screen = self.screen
        if isinstance(screen, Compare) and screen.comparison is not None:
            now = "reading" if screen._reading else "all"
            if now != self.seen:
                self.call_after_refresh(self.say, "first" if not self.seen else now)
                self.seen = now
            if now == "all":
                self.call_after_refresh(self.say, "all")
                self.looking.stop()

    def say(self, what: str) -> None:
        os.write(3, json.dumps([what, time.monotonic()]).encode() + b"\n")


def child(runs_dir: Path) -> None:
    gc.freeze()  # as open_app does
    Measured(runs_dir, ThreadHost()).run(mouse=False)


def read_quiet(screen: int, quiet: float, first: float = 1.0, longest: float = 20.0) -> float:
    """When the last byte came, once none has for `quiet` seconds; the first may take longer."""
    last = time.monotonic()
    until, wait = last + longest, first
    while time.monotonic() < until and select.select([screen], [], [], wait)[0]:
        wait = quiet
        try:
            os.read(screen, 65536)
        except OSError:  # the program has ended
            break
        last = time.monotonic()
    return last


def measure(runs_dir: Path) -> tuple[dict[str, float], list[float]]:
    reports, report = os.pipe()
    pid, screen = pty.fork()
    if pid == 0:
        os.dup2(report, 3)
        os.environ.update(TERM="xterm-256color", COLORTERM="truecolor", LC_ALL="C.UTF-8")
        os.execv(sys.executable, [sys.executable, __file__, "--child", str(runs_dir)])
    os.close(report)
    ioctl(screen, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    times: dict[str, float] = {}
    said = b""
    while "all" not in times:
        for ready in select.select([screen, reports], [], [], 30)[0]:
            data = os.read(ready, 65536)
            said += data if ready == reports else b""
        *lines, said = said.split(b"\n")
        times |= {what: at for what, at in map(json.loads, lines) if what not in times}
    read_quiet(screen, 0.5)
    latencies, process = [], psutil.Process(pid)
    busy = sum(process.cpu_times()[:2])
    for key in KEYS:
        before = time.monotonic()
        os.write(screen, CODES.get(key, key).encode())
        latencies.append(1000 * (read_quiet(screen, QUIET) - before))
    busy = sum(process.cpu_times()[:2]) - busy
    resident = process.memory_info().rss / 2**20
    os.kill(pid, signal.SIGTERM)
    read_quiet(screen, 0.3)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    os.close(screen)
    os.close(reports)
    found = {
        "first frame, s": times["first"] - times["opened"],
        "all curves, s": times["all"] - times["opened"],
        "key to screen p95, ms": statistics.quantiles(latencies, n=20)[-1],
        "key to screen median, ms": statistics.median(latencies),
        "processor a key, ms": 1000 * busy / len(KEYS),
        "resident, MiB": resident,
    }
    return found, latencies


def measured(runs: int, rows: int, rounds: int) -> list[tuple[dict[str, float], list[float]]]:
    with tempfile.TemporaryDirectory() as home:
        for name in ("CONFIG", "CACHE", "DATA", "STATE"):
            os.environ[f"XDG_{name}_HOME"] = home
        for number in range(runs):
            write_run(Path(home) / "runs", number, rows)
        return [measure(Path(home) / "runs") for _ in range(rounds)]


def claims(quick: bool = False) -> list[Claim]:
    rounds = [found for found, _ in measured(10, 100_000, 1 if quick else 3)]
    medians = {name: statistics.median(found[name] for found in rounds) for name in rounds[0]}
    what = "10 runs of 100,000 rows compared: "
    return [
        at_most(what + name, TARGETS[name], value) if name in TARGETS else figure(what + name, value)
        for name, value in medians.items()
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--keys", action="store_true", help="print each key's time")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(options.child)
        return 0
    rounds = measured(options.runs, options.rows, options.rounds)
    say = sys.stdout.write
    say(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}; "
        f"{options.runs} runs of {options.rows:,} rows, {len(KEYS)} keys, n = {options.rounds}, "
        f"load {os.getloadavg()[0]:.1f}\n\n")  # fmt: skip
    say(f"{'':24}{'median':>10}{'worst':>10}{'target':>10}\n")
    for name in rounds[0][0]:
        values, target = [found[name] for found, _ in rounds], TARGETS.get(name)
        said = "" if target is None else f"{target:10.0f}{'' if statistics.median(values) <= target else '  missed'}"
        say(f"{name:24}{statistics.median(values):10.2f}{max(values):10.2f}{said}\n")
    if options.keys:
        say("\n" + " ".join(f"{key}:{time:.0f}" for key, time in zip(KEYS, rounds[-1][1], strict=True)) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
