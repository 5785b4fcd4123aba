"""How fast the loop trains on the CPU, beside the textbook's loop and a hand-tuned one without any logging.

    uv run python benchmarks/training_cpu.py [--quick] [--write]

MNIST, in images a second of training; the medians of five turns, with a screen of three, in each of which all are
measured one after another. Needs the real MNIST in TUITRAIN_TEST_DATA, a folder with MNIST/raw.
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

from claims import Claim, at_least, figure, report
from tuitrain.cli.output import print_message
from tuitrain.config.schema import Config
from tuitrain.config.values import override
from tuitrain.hosts.launch import RunSpec, train_new_run
from tuitrain.runs.folder import RunFolder
from tuitrain.training.models import build

DATA = Path(os.environ.get("TUITRAIN_TEST_DATA", Path(__file__).parents[2] / "shared" / "data")).resolve()
# Each figure is of about so much training; beside a screen, which draws every few seconds, of more.
SECONDS, WATCHED = 1.0, 4.0
# The app, in which a run is started by the form.
SCREEN = """
import sys
from pathlib import Path
from tuitrain.app.app import TuitrainApp
from tuitrain.config.values import override
from tuitrain.config.schema import Config
from tuitrain.hosts.thread import ThreadHost
from tuitrain.screens.new_run import NewRunScreen

app = TuitrainApp(Path(sys.argv[1]), ThreadHost())
form = NewRunScreen(app.host, app.runs_dir, override(Config(), sys.argv[2:]))
app.call_later(app.push_screen, form)
app.call_later(app.set_timer, 1, form.action_start)
app.run()
"""


@dataclass(frozen=True)
class Cell:
    """`threads` None: as many as tuitrain takes by itself, and as many as there are cores for the other loops."""

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
        model = build(override(Config(), self.settings).model, (1, 28, 28), 10)
        if self.model == "cnn" and fused:
            model = model.to(memory_format=torch.channels_last)
        kind = torch.optim.Adam if self.optimizer == "adam" else torch.optim.SGD
        return model, kind(model.parameters(), lr=0.001, fused=fused or None)


def textbook(cell: Cell) -> float:
    """torchvision's data set through a DataLoader, the loss printed every 100 steps."""
    from torchvision import datasets, transforms

    split = datasets.MNIST(DATA, train=True, transform=transforms.ToTensor())
    loader = torch.utils.data.DataLoader(split, batch_size=cell.batch, shuffle=True)
    model, optimizer = cell.parts(fused=False)
    started, seen = time.perf_counter(), 0
    for step, (images, labels) in enumerate(loader, 1):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(images), labels)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        seen += len(labels)
        if step % 100 == 0:
            f"{loss.item():.4f}"
        if time.perf_counter() - started > cell.seconds:
            break
    return seen / (time.perf_counter() - started)


@cache
def pixels() -> tuple[Tensor, Tensor]:
    from torchvision import datasets

    split = datasets.MNIST(DATA, train=True)
    return split.data.unsqueeze(1).float() / 255, split.targets


def bare(cell: Cell) -> float:
    """Tensors in memory and a fused optimizer, with nothing looked at on the way."""
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
    """A headless run, rows, checkpoints and all."""
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
    """A process of its own that nobody watches."""
    with tempfile.TemporaryDirectory() as folder:
        arguments = command("train", "--runs-dir", folder, "--json", *sets(cell))
        done = subprocess.run(arguments, capture_output=True, text=True, check=True)
        return float(json.loads(done.stdout)["samples_per_second"])


def on_screen(cell: Cell) -> float:
    """A thread of the app, on the training screen of a terminal of 120x40."""
    with tempfile.TemporaryDirectory() as folder:
        return followed([sys.executable, "-c", SCREEN, folder, *cell.settings], Path(folder))


def attached(cell: Cell) -> float:
    """A process of its own, with the training screen of another one attached."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(command("train", "--runs-dir", folder, "--detach", *sets(cell)), capture_output=True, check=True)
        return followed(command("attach", "--runs-dir", folder), Path(folder))


def followed(arguments: list[str], runs_dir: Path) -> float:
    """Drains what the screen writes until the only run there has finished."""
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
    """Another process that uses one core."""
    process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        process.kill()
        process.wait()


def measured(cell: Cell, ways: list[Callable[[Cell], float]], turns: int) -> list[list[float]]:
    """The speed of each way, in each turn."""
    return [list(column) for column in zip(*([way(cell) for way in ways] for _ in range(turns)), strict=True)]


def ratio(ours: list[float], other: list[float]) -> float:
    """The median over the turns: what else the machine does changes from one to the next."""
    return statistics.median(one / two for one, two in zip(ours, other, strict=True))


def beside_other_loops(cell: Cell, turns: int, note: str = "") -> list[Claim]:
    by_book, by_hand, by_us = measured(cell, [textbook, bare, ours], turns)
    name, times = f"{cell}{note}", ratio(by_us, by_book)
    claim = f"{name}: tuitrain / textbook"
    # What is won by not reading images anew shrinks beside a larger network or batch, which has no bar.
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
