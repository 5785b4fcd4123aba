"""How fast the loop trains on the CPU, beside the textbook's loop and a bare one.

MNIST, mlp 784-128-256-10 with relu, batch 64, Adam; all three one after another in this process, `--repeats` times, and
the medians compared. Needs the real MNIST: `--data FOLDER` with MNIST/raw, or TUITRAIN_TEST_DATA.

    uv run python benchmarks/training_cpu.py [--repeats 5] [--batch 64] [--optimizer adam]
"""

import argparse
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from tuitrain.config.schema import Config
from tuitrain.config.values import override
from tuitrain.hosts.launch import Request, launch

BARE_STEPS = 844
TEXTBOOK_STEPS = 200


def network() -> nn.Module:
    layers = [nn.Flatten(), nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 256), nn.ReLU(), nn.Linear(256, 10)]
    return nn.Sequential(*layers)


def optimizer(name: str, model: nn.Module, fused: bool) -> torch.optim.Optimizer:
    kinds: dict[str, Callable[..., torch.optim.Optimizer]] = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD}
    return kinds[name](model.parameters(), lr=0.001, **({"fused": True} if fused else {}))


def textbook(data: Path, batch: int, name: str) -> float:
    """Images a second of torchvision's data set through a DataLoader, the loss printed every 100 steps."""
    from torchvision import datasets, transforms

    split = datasets.MNIST(data, train=True, download=False, transform=transforms.ToTensor())
    loader = torch.utils.data.DataLoader(split, batch_size=batch, shuffle=True)
    model = network()
    update = optimizer(name, model, fused=False)
    started = time.perf_counter()
    for step, (images, labels) in enumerate(loader, 1):
        update.zero_grad()
        loss = F.cross_entropy(model(images), labels)
        loss.backward()  # type: ignore[no-untyped-call]
        update.step()
        if step % 100 == 0:
            f"{loss.item():.4f}"
        if step == TEXTBOOK_STEPS:
            break
    return TEXTBOOK_STEPS * batch / (time.perf_counter() - started)


def bare(images: torch.Tensor, labels: torch.Tensor, batch: int, name: str) -> float:
    """Images a second of tensors in memory and a fused optimizer, with nothing looked at on the way."""
    model = network()
    update = optimizer(name, model, fused=True)
    order = torch.randperm(len(images))[: BARE_STEPS * batch]
    started = time.perf_counter()
    for index in torch.split(order, batch):
        loss = F.cross_entropy(model(images.index_select(0, index)), labels.index_select(0, index))
        loss.backward()  # type: ignore[no-untyped-call]
        update.step()
        update.zero_grad()
    return len(order) / (time.perf_counter() - started)


def ours(data: Path, batch: int, name: str, threads: int) -> float:
    """Images a second that a headless run of one epoch reports."""
    settings = {
        "data.dataset": "mnist", "data.dir": data, "data.batch_size": batch, "optimizer.name": name,
        "training.epochs": 1, "training.threads": threads,
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as runs_dir:
        config = override(Config(), [f"{key}={value}" for key, value in settings.items()])
        request = Request(config=config, runs_dir=Path(runs_dir))
        return launch(request, lambda what, fraction: None, lambda folder, inbox: None).samples_per_second  # noqa: ARG005


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("TUITRAIN_TEST_DATA", "../shared/data")))
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--optimizer", choices=["adam", "sgd"], default="adam")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    from torchvision import datasets

    split = datasets.MNIST(options.data, train=True, download=False)
    images, labels = split.data.unsqueeze(1).float() / 255, split.targets
    torch.set_flush_denormal(True)
    measured: dict[str, list[float]] = {"textbook loop": [], "bare loop": [], "tuitrain": []}
    for _ in range(options.repeats):
        torch.set_num_threads(options.threads)
        measured["textbook loop"].append(textbook(options.data, options.batch, options.optimizer))
        measured["bare loop"].append(bare(images, labels, options.batch, options.optimizer))
        measured["tuitrain"].append(ours(options.data, options.batch, options.optimizer, options.threads))
    medians = {name: statistics.median(values) for name, values in measured.items()}
    print(f"{platform.machine()}, {os.cpu_count()} cores, {options.threads} thread(s), torch {torch.__version__}")  # noqa: T201
    print(f"MNIST mlp 128-256 relu, batch {options.batch}, {options.optimizer}; n = {options.repeats}, medians")  # noqa: T201
    for name, value in medians.items():
        print(f"{name:<14} {value:>9,.0f} images/s   tuitrain / it {medians['tuitrain'] / value:5.2f}")  # noqa: T201


if __name__ == "__main__":
    main()
