"""How fast the loop trains on a GPU, beside the textbook's loop on the same one.

    uv run python benchmarks/training_cuda.py [--quick] [--write]

MNIST, mlp 128-256, batch 64, Adam, in images a second of training; the medians of five turns, in each of which all are
measured one after another. Needs the real MNIST in TUITRAIN_TEST_DATA, a folder with MNIST/raw; without a CUDA device
there is nothing to measure.
"""

import statistics
import tempfile
import time
from pathlib import Path

import torch
import torch.nn.functional as F

from claims import Claim, at_least, figure, report
from training_cpu import DATA, SECONDS, Cell
from tuitrain.config.schema import Config
from tuitrain.config.values import override
from tuitrain.hosts.launch import Request, launch


def textbook(cell: Cell) -> float:
    """torchvision's data set through a DataLoader, each batch sent to the GPU, the loss printed every 100 steps."""
    from torchvision import datasets, transforms

    split = datasets.MNIST(DATA, train=True, transform=transforms.ToTensor())
    loader = torch.utils.data.DataLoader(split, batch_size=cell.batch, shuffle=True)
    model, _ = cell.parts(fused=False)
    optimizer = torch.optim.Adam(model.to("cuda").parameters(), lr=0.001)
    started, seen = time.perf_counter(), 0
    for step, (images, labels) in enumerate(loader, 1):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(images.to("cuda")), labels.to("cuda"))
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        seen += len(labels)
        if step % 100 == 0:
            f"{loss.item():.4f}"
        if time.perf_counter() - started > SECONDS:
            break
    torch.cuda.synchronize()
    return seen / (time.perf_counter() - started)


def ours(cell: Cell) -> float:
    """A headless run, rows, checkpoints and all."""
    config = override(Config(), [*cell.settings, "training.device=cuda"])
    with tempfile.TemporaryDirectory() as folder:
        request = Request(config=config, runs_dir=Path(folder))
        return launch(request, lambda *_: None, lambda *_: None).samples_per_second


def claims(quick: bool) -> list[Claim]:
    if not torch.cuda.is_available():
        return [figure("no CUDA device here: nothing measured", torch.cuda.device_count(), "devices")]
    cell = Cell(threads=None)
    turns = [(textbook(cell), ours(cell)) for _ in range(2 if quick else 5)]
    theirs, mine = (statistics.median(column) for column in zip(*turns, strict=True))
    name = f"{cell}, {torch.cuda.get_device_name()}"
    return [
        figure(f"{name}: tuitrain", mine, "images/s"),
        at_least(f"{name}: tuitrain / textbook on the same GPU", 10, mine / theirs, "x"),
    ]


if __name__ == "__main__":
    report(__file__, claims)
