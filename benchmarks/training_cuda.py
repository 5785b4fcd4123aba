"""What only a GPU can show, in at most eight minutes: the CUDA tests, then speed beside hand-written loops.

    uv run python benchmarks/training_cuda.py [--quick] [--write]

The parts are in the order of their importance. The table names a part that is left out because the time is over.
Requires a CUDA device, and real MNIST in TUITRAIN_TEST_DATA, a folder with MNIST/raw. The photos are noise of 224
pixels, because their content does not change the speed.

A script in this folder must not be called cuda.py: torch would import it in place of the package `cuda`.
"""

import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from claims import Claim, at_least, at_most, figure, report
from stacked import SEEDS, sweep
from training_cpu import WATCHED, Cell, attached, headless, measured, on_screen, ours, pixels, ratio, textbook
from tuitrain.cli.output import print_message
from tuitrain.config.schema import Config
from tuitrain.config.values import override
from tuitrain.hosts.launch import RunSpec, train_new_run
from tuitrain.training.models import build

ROOT = Path(__file__).parent.parent
# Seconds for everything, and for the last part that may begin.
LIMIT, LAST = 480.0, 60.0
# A network for photos, the number of photos and of classes, and the side of a photo.
NETWORK, PHOTOS, CLASSES, SIDE = "timm/resnet18", 1024, 8, 224


def by_hand(cell: Cell) -> float:
    """Tensors on the GPU and the whole step in a CUDA graph, without any logging."""
    images, labels = (tensor.to("cuda") for tensor in pixels())
    # The fused parts hold a cnn in the memory format that is fastest.
    model, _ = cell.parts(fused=True)
    return captured(model, images, labels, cell.batch, cell.seconds, bf16=cell.precision == "bf16")


def captured(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    size: int,
    seconds: float,
    *,
    bf16: bool,
    inputs: Callable[[Tensor], Tensor] = lambda images: images,
) -> float:
    """Train a model by a CUDA graph of the whole step, Adam included; return images per second. `inputs` turns the
    images of a batch into what the model reads."""
    optimizer = torch.optim.Adam(model.parameters(), lr=0.001, fused=True, capturable=True)
    rows = torch.arange(size, device="cuda")

    def step() -> None:
        optimizer.zero_grad()
        # A graph must not contain the casts that autocast keeps for the next step.
        with torch.autocast("cuda", torch.bfloat16, enabled=bf16, cache_enabled=False):
            loss = F.cross_entropy(model(inputs(images.index_select(0, rows))), labels.index_select(0, rows))
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, stream=stream):
        step()
    torch.cuda.synchronize()
    started, seen = time.perf_counter(), 0
    while time.perf_counter() - started < seconds:
        order = torch.randperm(len(images), device="cuda")
        for batch in order[: len(order) // size * size].view(-1, size):
            rows.copy_(batch)
            graph.replay()
        torch.cuda.synchronize()
        seen += len(order) // size * size
    return seen / (time.perf_counter() - started)


def beside_other_loops(cell: Cell, turns: int) -> list[Claim]:
    by_book, captured, by_us = measured(cell, [textbook, by_hand, ours], turns)
    name = f"{cell}, {cell.precision}, {torch.cuda.get_device_name()}"
    return [
        figure(f"{name}: tuitrain", statistics.median(by_us), "images/s"),
        at_least(f"{name}: tuitrain / textbook", 10 if cell.model == "mlp" else 2, ratio(by_us, by_book), "x"),
        at_least(f"{name}: tuitrain / captured by hand", 0.9, ratio(by_us, captured), "x"),
    ]


def with_a_screen(cell: Cell, turns: int) -> list[Claim]:
    alone, screen, other = measured(replace(cell, seconds=WATCHED), [headless, on_screen, attached], turns)
    return [
        at_least("screen open, thread of the app / headless", 0.97, ratio(screen, alone), "x"),
        at_least("screen attached, background process / headless", 0.97, ratio(other, alone), "x"),
    ]


def stacked(turns: int, epochs: int = 10) -> list[Claim]:
    """Compare stacked with sequential sweeps, by the time of the whole command and by training time."""
    whole, training = [], []
    for _ in range(turns):
        together, alone = (sweep(epochs, "cuda", stack=size, parallel=1) for size in (SEEDS, 1))
        whole.append(together.wall / alone.wall)
        training.append(max(together.training) / sum(alone.training))
    name = f"{SEEDS} seeds, {epochs} epochs, stacked / one after another"
    return [
        at_most(name, 0.125, statistics.median(whole), "x"),
        figure(f"{name}, training alone", statistics.median(training), "x"),
    ]


def tests(quick: bool) -> list[Claim]:  # noqa: ARG001
    """Run the tests that need a GPU: equal to the CPU, captured, stacked, bf16, fp16, resumed, out of memory."""
    command = [sys.executable, "-m", "pytest", "-q", "-n", "0", "tests/training/test_cuda.py"]
    output = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout
    print_message(output[-6000:])
    counts = {word: int(number) for number, word in re.findall(r"(\d+) (passed|failed|error)", output)}
    return [
        at_most("CUDA tests that fail", 0, counts.get("failed", 0) + counts.get("error", 0)),
        at_least("CUDA tests that pass", 1, counts.get("passed", 0)),
    ]


def mlp(quick: bool) -> list[Claim]:
    return beside_other_loops(Cell(threads=None, device="cuda"), 2 if quick else 5)


def cnn(quick: bool) -> list[Claim]:
    cell = Cell(model="cnn", batch=256, threads=None, device="cuda", precision="bf16")
    return beside_other_loops(cell, 2 if quick else 3)


@cache
def photos() -> Path:
    folder, noise = Path(tempfile.mkdtemp(prefix="noise-")), np.random.default_rng(0)
    for index in range(PHOTOS):
        path = folder / "train" / f"class-{index % CLASSES}" / f"{index}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(noise.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)).save(path)
    return folder


def photo_config(batch: int, seconds: float, device: str) -> Config:
    return override(Config(), [
        "data.dataset=image-folder", f"data.dir={photos()}", f"data.image_size={SIDE}", "data.storage=memory",
        "data.validation=0", f"data.batch_size={batch}", f"model.name={NETWORK}", f"training.device={device}",
        "training.precision=bf16", "training.epochs=1000", f"training.max_minutes={seconds / 60}",
    ])  # fmt: skip


def our_photos(batch: int, seconds: float, device: str) -> float:
    with tempfile.TemporaryDirectory() as folder:
        spec = RunSpec(config=photo_config(batch, seconds, device), runs_dir=Path(folder))
        return train_new_run(spec, lambda *_: None, lambda *_: None).samples_per_second


def photos_by_hand(batch: int, seconds: float, device: str) -> float:
    """Bytes on the GPU, normalized there, and the whole step in a CUDA graph."""
    images = torch.randint(256, (PHOTOS, 3, SIDE, SIDE), dtype=torch.uint8, device=device)
    labels = torch.arange(PHOTOS, device=device) % CLASSES
    network = build(photo_config(batch, seconds, device).model, (3, SIDE, SIDE), CLASSES)
    network = network.to(device).to(memory_format=torch.channels_last)
    return captured(network, images, labels, batch, seconds, bf16=True, inputs=lambda bytes: bytes.float() / 128 - 1)


def photo_network(quick: bool) -> list[Claim]:
    ways = [partial(way, 128, 3.0, "cuda") for way in (photos_by_hand, our_photos)]
    by_hand, by_us = zip(*([way() for way in ways] for _ in range(1 if quick else 3)), strict=True)
    name = f"{NETWORK}, {SIDE} pixels, bf16, batch 128"
    return [
        figure(f"{name}: tuitrain", statistics.median(by_us), "images/s"),
        at_least(f"{name}: tuitrain / captured by hand", 0.9, ratio(list(by_us), list(by_hand)), "x"),
    ]


def gpu_statistics(quick: bool) -> list[Claim]:
    """Compare runs that read the driver once a second with runs that never do."""
    cell = Cell(threads=None, device="cuda", seconds=WATCHED)

    def read_every(pause: float, cell: Cell) -> float:
        where = "tuitrain.training.resources"
        with patch(f"{where}.FIRST_PAUSE", pause), patch(f"{where}.LAST_PAUSE", pause):
            return ours(cell)

    never, often = measured(cell, [partial(read_every, 1e9), partial(read_every, 1.0)], 1 if quick else 3)
    return [at_least("GPU read once a second / never", 0.98, ratio(often, never), "x")]


def screen(quick: bool) -> list[Claim]:
    return with_a_screen(replace(Cell(threads=None, device="cuda"), seconds=WATCHED), 1 if quick else 2)


def seeds(quick: bool) -> list[Claim]:
    return stacked(1 if quick else 2)


PARTS: tuple[Callable[[bool], list[Claim]], ...] = (tests, mlp, cnn, photo_network, gpu_statistics, screen, seeds)


def claims(quick: bool) -> list[Claim]:
    if not torch.cuda.is_available():
        return [figure("no CUDA device here: nothing measured", torch.cuda.device_count(), "devices")]
    began, found = time.monotonic(), list[Claim]()
    for part in PARTS:
        spent = time.monotonic() - began
        if spent > LIMIT - LAST:
            found.append(figure(f"{part.__name__}: left out, no time", spent, "s"))
            continue
        print_message(f"{part.__name__}, after {spent:.0f} s")
        found += part(quick)
    return [*found, at_most("everything", LIMIT, time.monotonic() - began, "s")]


if __name__ == "__main__":
    report(__file__, claims)
