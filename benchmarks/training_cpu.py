"""Training speed on the CPU, compared with a textbook loop and a hand-tuned loop without logging.

    uv run python benchmarks/training_cpu.py [--quick] [--write]

MNIST, in images per second of training: medians of five turns (three with a screen), each of which measures all loops
one after another. Requires real MNIST in TUITRAIN_TEST_DATA, a folder with MNIST/raw.
"""

import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pexpect

# isort: split
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from claims import DATA, Claim, at_least, figure, report
from tuitrain.cli.output import print_message
from tuitrain.config.schema import Config
from tuitrain.config.values import override
from tuitrain.hosts.launch import RunSpec, train_new_run
from tuitrain.runs.folder import RunFolder
from tuitrain.training.models import build

# Seconds of training per measurement; more with a screen, which redraws every few seconds.
SECONDS, WATCHED = 1.0, 4.0
# The app, in which the form starts a run.
SCREEN = """
import sys
from pathlib import Path
from tuitrain.app.app import TuitrainApp
from tuitrain.config.values import override
from tuitrain.config.schema import Config
from tuitrain.hosts.thread import ThreadHost
from tuitrain.screens.new_run.screen import NewRunScreen

app = TuitrainApp(Path(sys.argv[1]), ThreadHost())
form = NewRunScreen(app.host, app.runs_dir, override(Config(), sys.argv[2:]))
app.call_later(app.push_screen, form)
app.call_later(app.set_timer, 1, form.action_start)
app.run()
"""


@dataclass(frozen=True)
class Cell:
    """`threads` None means tuitrain's default, and one per core for the other loops."""

    model: str = "mlp"
    optimizer: str = "adam"
    batch: int = 64
    threads: int | None = 2
    device: str = "cpu"
    precision: str = "fp32"
    seconds: float = SECONDS

    def __str__(self) -> str:
        threads = "default threads" if self.threads is None else f"{self.threads} threads"
        return f"{self.model}, {self.optimizer}, batch {self.batch}, {threads}"

    @property
    def settings(self) -> list[str]:
        return [
            "data.dataset=mnist", f"data.dir={DATA}", "data.validation=0", f"data.batch_size={self.batch}",
            f"model.name={self.model}", f"optimizer.name={self.optimizer}", f"training.device={self.device}",
            f"training.precision={self.precision}", f"training.threads={self.threads or 'none'}",
            "training.epochs=1000", f"training.max_minutes={self.seconds / 60}",
        ]  # fmt: skip

    def parts(self, *, fused: bool) -> tuple[nn.Module, torch.optim.Optimizer]:
        torch.set_num_threads(self.threads or os.cpu_count() or 1)
        model = build(override(Config(), self.settings).model, (1, 28, 28), 10).to(self.device)
        if self.model == "cnn" and fused:
            model = model.to(memory_format=torch.channels_last)
        kind = torch.optim.Adam if self.optimizer == "adam" else torch.optim.SGD
        return model, kind(model.parameters(), lr=0.001, fused=fused or None)


def textbook(cell: Cell) -> float:
    """torchvision's data set in a DataLoader, each batch copied to the device; formats the loss every 100 steps."""
    from torchvision import datasets, transforms

    split = datasets.MNIST(DATA, train=True, transform=transforms.ToTensor())
    loader = torch.utils.data.DataLoader(split, batch_size=cell.batch, shuffle=True)
    model, optimizer = cell.parts(fused=False)
    started, seen = time.perf_counter(), 0
    for step, (images, labels) in enumerate(loader, 1):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(images.to(cell.device)), labels.to(cell.device))
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        seen += len(labels)
        if step % 100 == 0:
            f"{loss.item():.4f}"
        if time.perf_counter() - started > cell.seconds:
            break
    if cell.device == "cuda":
        torch.cuda.synchronize()
    return seen / (time.perf_counter() - started)


@cache
def pixels() -> tuple[Tensor, Tensor]:
    from torchvision import datasets

    split = datasets.MNIST(DATA, train=True)
    return split.data.unsqueeze(1).float() / 255, split.targets


def bare(cell: Cell) -> float:
    """Tensors in memory and a fused optimizer, without any logging."""
    images, labels = pixels()
    model, optimizer = cell.parts(fused=True)
    torch.set_flush_denormal(True)
    started, seen = time.perf_counter(), 0
    while time.perf_counter() - started < cell.seconds:
        for rows in torch.randperm(len(images)).split(cell.batch):  # type: ignore[no-untyped-call]
            loss = F.cross_entropy(model(images.index_select(0, rows)), labels.index_select(0, rows))
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            optimizer.zero_grad()
            seen += len(rows)
            if time.perf_counter() - started > cell.seconds:
                break
    seconds = time.perf_counter() - started
    torch.set_flush_denormal(False)
    return seen / seconds


def ours(cell: Cell) -> float:
    """A headless run with metrics rows and checkpoints."""
    with tempfile.TemporaryDirectory() as folder:
        spec = RunSpec(config=override(Config(), cell.settings), runs_dir=Path(folder))
        try:
            return train_new_run(spec, lambda *_: None, lambda *_: None).samples_per_second
        finally:
            torch.set_flush_denormal(False)


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "tuitrain", *arguments]


def sets(cell: Cell) -> list[str]:
    return [part for setting in cell.settings for part in ("--set", setting)]


def headless(cell: Cell) -> float:
    """A background process without a screen."""
    with tempfile.TemporaryDirectory() as folder:
        arguments = command("train", "--runs-dir", folder, "--json", *sets(cell))
        done = subprocess.run(arguments, capture_output=True, text=True, check=True)
        return float(json.loads(done.stdout)["samples_per_second"])


def on_screen(cell: Cell) -> float:
    """A thread of the app, which shows the training screen in a terminal of 120x40."""
    with tempfile.TemporaryDirectory() as folder:
        return followed([sys.executable, "-c", SCREEN, folder, *cell.settings], Path(folder))


def attached(cell: Cell) -> float:
    """A background process, with the training screen of another process attached."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(command("train", "--runs-dir", folder, "--detach", *sets(cell)), capture_output=True, check=True)
        return followed(command("attach", "--runs-dir", folder), Path(folder))


def followed(arguments: list[str], runs_dir: Path) -> float:
    """Drain the output of the app until its only run has finished."""
    child = pexpect.spawn(arguments[0], arguments[1:], dimensions=(40, 120), timeout=None)
    try:
        while True:
            with suppress(pexpect.TIMEOUT):
                child.read_nonblocking(65536, timeout=0.2)
            for path in runs_dir.glob("*/run.json"):
                state = RunFolder(path.parent).state()
                if state.status == "finished":
                    return state.samples_per_second
                assert state.status in ("queued", "running"), state.reason
    finally:
        child.kill(signal.SIGKILL)
        child.wait()


@contextmanager
def neighbor() -> Iterator[None]:
    """Keep one core busy with another process."""
    process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        process.kill()
        process.wait()


def measured(cell: Cell, ways: list[Callable[[Cell], float]], turns: int) -> list[list[float]]:
    """Return the speed of each loop in each turn."""
    return [list(column) for column in zip(*([way(cell) for way in ways] for _ in range(turns)), strict=True)]


def ratio(ours: list[float], other: list[float]) -> float:
    """Return the median ratio over the turns, because other load changes between turns."""
    return statistics.median(one / two for one, two in zip(ours, other, strict=True))


def beside_other_loops(cell: Cell, turns: int, note: str = "") -> list[Claim]:
    by_book, by_hand, by_us = measured(cell, [textbook, bare, ours], turns)
    name, times = f"{cell}{note}", ratio(by_us, by_book)
    claim = f"{name}: tuitrain / textbook"
    # With larger networks and batches, reading images takes a smaller share, so these have no limit.
    has_bar = (cell.model, cell.optimizer, cell.batch) == ("mlp", "adam", 64)
    return [
        figure(f"{name}: tuitrain", statistics.median(by_us), "images/s"),
        at_least(claim, 4.5, times, "x") if has_bar else figure(claim, times, "x"),
        at_least(f"{name}: tuitrain / bare loop", 0.95, ratio(by_us, by_hand), "x"),
    ]


def with_a_screen(turns: int) -> list[Claim]:
    alone, screen, other = measured(Cell(threads=None, seconds=WATCHED), [headless, on_screen, attached], turns)
    return [
        at_least("screen open, thread of the app / headless", 0.93, ratio(screen, alone), "x"),
        at_least("screen attached, background process / headless", 0.97, ratio(other, alone), "x"),
    ]


def with_a_neighbor(turns: int) -> list[Claim]:
    cell, found = Cell(threads=None), []
    for _ in range(turns):
        alone = ours(cell)
        with neighbor():
            found.append(ours(cell) / alone)
    with neighbor():
        claims = beside_other_loops(cell, turns, ", busy neighbor")
    return [*claims, at_least("with a busy neighbor / alone", 0.5, statistics.median(found), "x")]


CELLS = (
    Cell(), Cell(threads=1), Cell(batch=16), Cell(batch=256), Cell(batch=1024), Cell(optimizer="sgd"),
    Cell(model="cnn"),
)  # fmt: skip


def claims(quick: bool) -> list[Claim]:
    turns = 2 if quick else 5
    found: list[Claim] = []
    for cell in CELLS[:1] if quick else CELLS:
        print_message(str(cell))
        found += beside_other_loops(cell, turns)
    print_message("with a neighbor, and with a screen")
    return [*found, *with_a_neighbor(turns), *with_a_screen(min(turns, 3))]


if __name__ == "__main__":
    report(__file__, claims)
