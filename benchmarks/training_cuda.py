"""Training speed on a GPU, compared with a textbook loop and a hand-written CUDA graph on the same GPU.

    uv run python benchmarks/training_cuda.py [--quick] [--write]

MNIST, mlp 128-256, batch 64, Adam, in images per second of training: medians of five turns, each of which measures all
loops one after another. Sweeps are measured in seconds of the whole command, as in stacked.py. Requires a CUDA device,
and real MNIST in TUITRAIN_TEST_DATA, a folder with MNIST/raw.
"""

import statistics
import time
from dataclasses import replace

import torch
import torch.nn.functional as F

from claims import Claim, at_least, at_most, figure, report
from stacked import SEEDS, sweep
from training_cpu import WATCHED, Cell, attached, headless, measured, on_screen, ours, pixels, ratio, textbook
from tuitrain.cli.output import print_message


def by_hand(cell: Cell) -> float:
    """Tensors on the GPU and the whole step in a CUDA graph, without any logging."""
    images, labels = (tensor.to("cuda") for tensor in pixels())
    model, _ = cell.parts(fused=False)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.001, fused=True, capturable=True)
    rows = torch.arange(cell.batch, device="cuda")

    def step() -> None:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(images.index_select(0, rows)), labels.index_select(0, rows))
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
    while time.perf_counter() - started < cell.seconds:
        order = torch.randperm(len(images), device="cuda")
        for batch in order[: len(order) // cell.batch * cell.batch].view(-1, cell.batch):
            rows.copy_(batch)
            graph.replay()
        torch.cuda.synchronize()
        seen += len(order) // cell.batch * cell.batch
    return seen / (time.perf_counter() - started)


def beside_other_loops(cell: Cell, turns: int) -> list[Claim]:
    by_book, captured, by_us = measured(cell, [textbook, by_hand, ours], turns)
    name = f"{cell}, {torch.cuda.get_device_name()}"
    return [
        figure(f"{name}: tuitrain", statistics.median(by_us), "images/s"),
        at_least(f"{name}: tuitrain / textbook", 10, ratio(by_us, by_book), "x"),
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


def claims(quick: bool) -> list[Claim]:
    if not torch.cuda.is_available():
        return [figure("no CUDA device here: nothing measured", torch.cuda.device_count(), "devices")]
    turns, cell = 2 if quick else 5, Cell(threads=None, device="cuda")
    found = beside_other_loops(cell, turns)
    print_message("with a screen, and stacked")
    found += [*with_a_screen(cell, turns), *stacked(1 if quick else 3)]
    for precision in ("fp32", "bf16"):
        cnn = Cell(model="cnn", batch=256, threads=None, device="cuda", precision=precision)
        (speeds,) = measured(cnn, [ours], turns)
        found.append(figure(f"{cnn}, {precision}: tuitrain", statistics.median(speeds), "images/s"))
    return found


if __name__ == "__main__":
    report(__file__, claims)
