"""Compare ten runs of 100,000 training rows each: time to the first frame, key latency and memory.

    uv run python benchmarks/compare_large.py [--quick] [--write]

Also opens a table of 5,000 runs, and compares 300 of them on the command line. The app runs in a pseudo-terminal of
120x40; key latency ends with the last byte that the app writes in response.
"""

import gc
import json
import os
import statistics
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import msgspec
import psutil

from claims import Claim, at_most, figure, p95, report
from runs_made import EPOCHS, write_run
from terminal import Terminal, home
from tuitrain.app.app import TuitrainApp
from tuitrain.hosts.thread import ThreadHost
from tuitrain.runs.folder import RunFolder, folders
from tuitrain.runs.writer import encode_pretty
from tuitrain.screens.compare.screen import CompareScreen
from tuitrain.widgets.messages import OpenComparison

KEYS = ("m", "m", "right", *["left"] * 6, "down", "down", "b", "X", "left", "left", "+", "+", "-", "-", "i", "i",
        "[", "left", "I", "I", "v", "v", "L", "L", "a", "a", "down", "m", "left", "m", "0", "O", "O", "X", "X",
        "X")  # fmt: skip
CODES = {"left": "\x1b[D", "right": "\x1b[C", "down": "\x1b[B"}
QUIET = 0.15
RUNS, ROWS, MANY, SOME = 10, 100_000, 5_000, 300


class Measured(TuitrainApp):
    """The app, which opens the comparison and prints when it is visible."""

    def on_mount(self) -> None:
        super().on_mount()
        self.say("opened")
        self.post_message(OpenComparison(list(folders(self.runs_dir))))
        self.looking = self.set_interval(0.01, self.look)
        self.seen = ""

    def look(self) -> None:
        screen = self.screen
        if isinstance(screen, CompareScreen) and screen.comparison is not None:
            now = "reading" if screen._reading else "all"
            if now != self.seen:
                self.call_after_refresh(self.say, "first" if not self.seen else now)
                self.seen = now
            if now == "all":
                self.call_after_refresh(self.say, "all")
                self.looking.stop()

    def say(self, what: str) -> None:
        os.write(int(os.environ["REPORT"]), json.dumps([what, time.monotonic()]).encode() + b"\n")


def child(runs_dir: Path) -> None:
    gc.freeze()  # as open_app does
    Measured(runs_dir, ThreadHost()).run(mouse=False)


def measure(runs_dir: Path) -> dict[str, float]:
    reports, report = os.pipe()
    os.set_blocking(reports, False)
    os.set_inheritable(report, True)
    os.environ["REPORT"] = str(report)
    times: dict[str, float] = {}
    unread = b""

    def all_reported() -> bool:
        nonlocal unread
        with suppress(BlockingIOError):
            unread += os.read(reports, 65536)
        *lines, unread = unread.split(b"\n")
        times.update({what: at for what, at in map(json.loads, lines) if what not in times})
        return "all" in times

    with Terminal(__file__, "--child", runs_dir) as terminal:
        os.close(report)
        terminal.until(all_reported)
        terminal.quiet(0.5)
        latencies, process = [], psutil.Process(terminal.pid)
        busy = sum(process.cpu_times()[:2])
        for key in KEYS:
            pressed = terminal.press(CODES.get(key, key))
            last = terminal.quiet(QUIET) if terminal.waiting(1.0) else pressed
            latencies.append(1000 * (last - pressed))
        busy = sum(process.cpu_times()[:2]) - busy
        resident = process.memory_info().rss / 2**20
    os.close(reports)
    return {
        "first frame": times["first"] - times["opened"],
        "all curves": times["all"] - times["opened"],
        "p95": p95(latencies),
        "median": statistics.median(latencies),
        "processor": 1000 * busy / len(KEYS),
        "resident": resident,
    }


def fill(runs_dir: Path, runs: int) -> None:
    """Write short runs that differ only in seed and name."""
    first = write_run(runs_dir, 0, EPOCHS)
    info = first.info()
    for number in range(1, runs):
        folder = RunFolder(runs_dir / f"{first.id}-{number:04}")
        folder.path.mkdir()
        for file in first.path.iterdir():
            if file.is_file() and file != first.info_file:
                os.link(file, folder.path / file.name)
        folder.info_file.write_bytes(encode_pretty(msgspec.structs.replace(info, name=f"run-{number}")))


def opened(runs_dir: Path) -> tuple[float, float]:
    """Return the seconds from program start to the first visible rows, and until all runs are read."""
    with Terminal("-m", "tuitrain", "--runs-dir", runs_dir) as terminal:
        first = terminal.see("finished") - terminal.begun
        return first, terminal.quiet(1.0, 20) - terminal.begun


def compared(runs_dir: Path, runs: int) -> float:
    """Return the seconds of `tuitrain compare` with the ids of so many runs, spread over all of them."""
    everything = [folder.id for folder in folders(runs_dir)]
    ids = everything[:: len(everything) // runs][:runs]
    command = [sys.executable, "-m", "tuitrain", "compare", "--runs-dir", str(runs_dir), "--format", "csv", *ids]
    begun = time.perf_counter()
    done = subprocess.run(command, capture_output=True, check=True)
    assert done.stdout.count(b"\n") == runs + 1
    return time.perf_counter() - begun


def claims(quick: bool) -> list[Claim]:
    with home() as folder:
        large, many = folder / "runs", folder / "many"
        for number in range(RUNS):
            write_run(large, number, ROWS)
        rounds = [measure(large) for _ in range(1 if quick else 3)]
        fill(many, MANY)
        # The first start writes the cache that later starts read.
        cold, *warm = [opened(many) for _ in range(2 if quick else 4)]
        some = statistics.median(compared(many, SOME) for _ in range(1 if quick else 3))

    def middle(name: str) -> float:
        return statistics.median(found[name] for found in rounds)

    what = f"{RUNS} runs of {ROWS:,} rows compared"
    return [
        at_most(f"{what}: first frame", 1, middle("first frame"), "s"),
        at_most(f"{what}: all curves", 3, middle("all curves"), "s"),
        at_most(f"{what}: key to screen, p95 of {len(KEYS)}", 50, middle("p95"), "ms"),
        figure(f"{what}: key to screen, median", middle("median"), "ms"),
        figure(f"{what}: processor a key", middle("processor"), "ms"),
        at_most(f"{what}: resident", 150, middle("resident"), "MiB"),
        at_most(f"{MANY:,} runs in the table: start to first frame", 1, statistics.median(one for one, _ in warm), "s"),
        figure(f"{MANY:,} runs in the table: first frame, opened for the first time", cold[0], "s"),
        figure(f"{MANY:,} runs in the table: all read, opened for the first time", cold[1], "s"),
        at_most(f"{SOME} of {MANY:,} runs compared by their ids, on the command line", 3, some, "s"),
    ]


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(Path(sys.argv[2]))
    else:
        report(__file__, claims)
