"""Growth of time and memory with the length of a run, and with the numbers of runs and classes.

    uv run python benchmarks/growth.py [--quick] [--write]

Opens a run of ten million steps, with a row every 100 steps, in a pseudo-terminal of 120x40. Measures time and memory
of reading for sizes a factor of ten apart; the exponent is the slope between the two largest, 1 means proportional.
"""

import gc
import math
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from claims import Claim, at_most, figure, report
from runs_made import write_run
from terminal import Terminal, background_run, home
from tuitrain.runs.catalog.index import RunIndex
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.follower import Follower
from tuitrain.runs.records import Evaluation

STEPS, EVERY = 10_000_000, 100


def measured(work: Callable[[], object]) -> tuple[float, float]:
    """Return the seconds (best of three) and the memory at the end in MiB."""
    seconds = []
    for _ in range(3):
        gc.collect()
        begun = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - begun)
    gc.collect()
    tracemalloc.start()
    held = work()
    size = tracemalloc.get_traced_memory()[0] / 2**20
    tracemalloc.stop()
    del held
    return min(seconds), size


def followed(folder: RunFolder) -> Follower:
    follower = Follower(folder)
    while follower.poll():
        pass
    return follower


def listed(runs_dir: Path) -> RunIndex:
    index = RunIndex(runs_dir)
    index.refresh()
    return index


def evaluated(folder: RunFolder, classes: int) -> Evaluation | None:
    return RunFolder(folder.path).evaluation("test") if classes else None


def grown(what: str, sizes: list[int], work: Callable[[int], Callable[[], object]]) -> list[Claim]:
    found = {size: measured(work(size)) for size in sizes}
    claims = [figure(f"{what} {size:,}: seconds", seconds, "s") for size, (seconds, _) in found.items()]
    claims += [figure(f"{what} {size:,}: memory", memory, "MiB") for size, (_, memory) in found.items()]
    small, large = sizes[-2:]
    for name, place in (("time", 0), ("memory", 1)):
        slope = math.log(found[large][place] / max(found[small][place], 1e-9)) / math.log(large / small)
        claims.append(figure(f"{what} exponent of {name}", slope))
    return claims


def opened(folder: RunFolder) -> tuple[float, float, float]:
    """Return seconds until the run is visible, and memory in MiB after reading it and 20 seconds later."""
    with Terminal("-m", "tuitrain", "attach", folder.id, "--runs-dir", folder.path.parent) as terminal:
        seconds = terminal.see("epochs") - terminal.begun
        terminal.follow(8)
        process = psutil.Process(terminal.pid)
        first = process.memory_info().rss / 2**20
        terminal.follow(20)
        return seconds, first, process.memory_info().rss / 2**20


@contextmanager
def training(runs_dir: Path, *settings: str) -> Iterator[tuple[RunFolder, psutil.Process]]:
    """A run of digits, and its trainer, after its first 5,000 steps: a linear model by mini-batches of 8, so that steps
    are many. An epoch, with its evaluation and checkpoint, is over after 162."""
    with background_run(runs_dir, "model.hidden=[]", "data.batch_size=8", *settings) as folder:
        while folder.state().step < 5_000:
            time.sleep(0.2)
        trainer = folder.state().process
        assert trainer is not None
        yield folder, psutil.Process(trainer.pid)


def trained(runs_dir: Path, seconds: float) -> tuple[int, float, float]:
    """Return the steps trained in `seconds` with a row every 10 steps, the memory at their start and its growth in
    MiB."""
    with training(runs_dir, "training.log_every=10", "training.epochs=1000000") as (folder, process):
        before, first = folder.state().step, process.memory_info().rss / 2**20
        time.sleep(seconds)
        return folder.state().step - before, first, process.memory_info().rss / 2**20 - first


def evaluation(folder: RunFolder, classes: int) -> None:
    counts = [[90 if row == column else 1 for column in range(classes)] for row in range(classes)]
    names = [f"class {number}" for number in range(classes)]
    folder.write_evaluation(Evaluation(split="test", checkpoint="last", epoch=1, step=1, loss=0.5, accuracy=0.9,
                                       classes=names, confusion=counts))  # fmt: skip


def claims(quick: bool = False) -> list[Claim]:
    with home() as folder:
        long = write_run(folder / "long", 1, STEPS // EVERY, EVERY)
        seconds, first, later = opened(long)
        steps, trainer, grew = trained(folder / "trained", 10 if quick else 40)
        rows = {size: write_run(folder / "rows", 1, size) for size in (1_000, 10_000, 100_000)}
        for size in (10, 100, 1_000):
            for number in range(size):
                write_run(folder / f"runs-{size}", number, 10)
        some = {size: write_run(folder / "classes", size, 10) for size in (10, 100, 300 if quick else 1_000)}
        for size, run in some.items():
            evaluation(run, size)
        return [
            at_most("run of 10 million steps: start to first screen", 2, seconds, "s"),
            figure("its rows on disk", long.metrics_file.stat().st_size / 2**20, "MiB"),
            at_most("run of 10 million steps: memory of the app", 150, first, "MiB"),
            at_most("run of 10 million steps: memory growth in 20 s", 2, later - first, "MiB"),
            figure("a trainer's memory after 5,000 steps", trainer, "MiB"),
            at_most(f"memory growth of training in {steps:,} steps", 2, grew, "MiB"),
            *grown("rows read,", list(rows), lambda size: lambda: followed(rows[size])),
            *grown("runs listed,", [10, 100, 1_000], lambda size: lambda: listed(folder / f"runs-{size}")),
            *grown("classes read,", list(some), lambda size: lambda: evaluated(some[size], size)),
        ]


if __name__ == "__main__":
    report(__file__, claims)
