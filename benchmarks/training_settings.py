"""Training speed with each kind of setting, compared with a hand-tuned loop without logging.

    uv run python benchmarks/training_settings.py [--quick] [--write]

One CPU thread and batches of 64. Both loops train in this thread, in turns of 50 ms, so that a change of the machine's
load slows both. The ratio is the median of several runs. Times are the thread's processor times, which other processes
disturb less than wall-clock times.
Requires the folder of `claims.DATA`, with MNIST/raw and photos-5-classes.tar.
"""

import statistics
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cache
from itertools import chain, repeat
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
import torch.nn.functional as F
from torch import Tensor, nn, optim
from torch.utils.data import DataLoader

from claims import DATA, Claim, at_least, report
from tuitrain.cli.output import print_message
from tuitrain.config.schema import Config
from tuitrain.config.values import override
from tuitrain.hosts.launch import RunSpec, train_new_run
from tuitrain.training.data.augment import augmentations
from tuitrain.training.data.dataset import Dataset
from tuitrain.training.data.decoding.decode import ImageReader
from tuitrain.training.data.load import load
from tuitrain.training.data.normalize import Normalizer
from tuitrain.training.loop import Loop
from tuitrain.training.models import build

Batches = Callable[[], Iterator[tuple[Tensor, Tensor]]]
# tuitrain's speed as a fraction of the bare loop's.
BAR = 0.97
CNN = ("model.name=cnn",)
# Seconds of training per run, and seconds after which the other loop has its turn.
SECONDS, SLOW, TURN = 0.3, 1.0, 0.05


@dataclass(frozen=True)
class Case:
    name: str
    settings: tuple[str, ...] = ()
    data: str = "mnist"
    seconds: float = SECONDS


CASES = (
    Case("relu, adam"),
    Case("sigmoid, sgd", ("model.activation=sigmoid", "optimizer.name=sgd", "optimizer.lr=0.01")),
    Case("sgd with momentum", ("optimizer.name=sgd", "optimizer.momentum=0.9", "optimizer.lr=0.01")),
    Case("adamw", ("optimizer.name=adamw",)),
    Case("rmsprop", ("optimizer.name=rmsprop",)),
    Case("adagrad", ("optimizer.name=adagrad",)),
    Case("nadam", ("optimizer.name=nadam",)),
    Case("radam", ("optimizer.name=radam",)),
    Case("clipping", ("optimizer.clip_norm=1",)),
    Case("augmentation", ("data.augment=[shift]",)),
    Case("batch normalization", ("model.batch_norm=true",)),
    Case("dropout", ("model.dropout=0.2",)),
    Case("batch normalization, dropout", ("model.batch_norm=true", "model.dropout=0.2")),
    Case("bf16", ("training.precision=bf16",)),
    Case("accumulation", ("optimizer.accumulate=2",)),
    Case("label smoothing", ("training.label_smoothing=0.1",)),
    Case(
        "cnn, batch normalization, augmentation",
        (*CNN, "model.batch_norm=true", "data.augment=[shift]"),
        seconds=2 * SLOW,
    ),
    Case("cnn, bf16", (*CNN, "training.precision=bf16"), seconds=2 * SLOW),
    Case("resnet18, photos of 32 pixels", ("model.name=resnet18",), "memory", 6 * SLOW),
    Case("cnn, image folder in memory", CNN, "memory", 2 * SLOW),
    Case("cnn, image folder streamed", CNN, "stream", 2 * SLOW),
)  # fmt: skip


def config(case: Case) -> Config:
    settings = [f"data.dataset={case.data}", f"data.dir={DATA}"]
    if case.data != "mnist":
        settings = [
            "data.dataset=image-folder", f"data.dir={photos()}", f"data.storage={case.data}", "data.image_size=32",
            "data.workers=0",
        ]  # fmt: skip
    return override(Config(), [
        *settings, "data.validation=0", "data.batch_size=64", "training.device=cpu", "training.threads=1",
        "training.epochs=1000000", f"training.max_minutes={case.seconds / 60}", *case.settings,
    ])  # fmt: skip


@cache
def photos() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="photos-"))
    with tarfile.open(DATA / "photos-5-classes.tar") as archive:
        archive.extractall(folder, filter="data")
    return next(path.parent for path in folder.rglob("train"))


@cache
def dataset(name: str) -> Dataset:
    return load(config(Case("", data=name)).data, 0, torch.device("cpu"), lambda *_: None)


def batches(config: Config, name: str) -> Batches:
    """Return a function that yields the mini-batches of an epoch."""
    data = dataset(name)
    if name == "stream":
        return streamed(data, config.data.images_per_batch)
    labels, normalize = data.train.labels, Normalizer(data.normalization, torch.device("cpu"))
    # The fastest loop holds floats, and so needs no conversion per batch.
    images = normalize(data.train.images)  # type: ignore[attr-defined]

    def epoch() -> Iterator[tuple[Tensor, Tensor]]:
        for rows in torch.randperm(len(labels)).split(config.data.batch_size):  # type: ignore[no-untyped-call]
            yield images.index_select(0, rows), labels.index_select(0, rows)

    return epoch


def streamed(data: Dataset, size: int) -> Batches:
    """Decode each image as tuitrain does, by torch's DataLoader without worker processes."""
    read, files, labels = ImageReader(data.shape[1], "RGB"), data.train.files, data.train.labels.tolist()
    mean, std = (torch.tensor(values).view(-1, 1, 1) for values in (data.mean, data.std))

    class Images(torch.utils.data.Dataset[tuple[Tensor, int]]):
        def __len__(self) -> int:
            return len(files)

        def __getitem__(self, index: int) -> tuple[Tensor, int]:
            return read(files[index]), labels[index]

    loader = DataLoader(Images(), batch_size=size, shuffle=True)

    def epoch() -> Iterator[tuple[Tensor, Tensor]]:
        for images, labels in loader:
            yield images.float().div_(255).sub_(mean).div_(std), labels

    return epoch


def optimizer_of(config: Config, parameters: list[nn.Parameter]) -> optim.Optimizer:
    given = config.optimizer
    kind: Any = {
        "sgd": optim.SGD, "adam": optim.Adam, "adamw": optim.AdamW, "rmsprop": optim.RMSprop, "nadam": optim.NAdam,
        "radam": optim.RAdam, "adagrad": optim.Adagrad,
    }[given.name]  # fmt: skip
    options: dict[str, Any] = {"momentum": given.momentum} if given.momentum else {}
    fused = {"fused": True} if given.name in ("sgd", "adam", "adamw", "adagrad") else {}
    optimizer: optim.Optimizer = kind(parameters, lr=given.lr, weight_decay=given.weight_decay, **options, **fused)
    return optimizer


class BareLoop:
    """Tensors in memory and torch's fused optimizer, without any logging. It keeps its model between the runs."""

    def __init__(self, case: Case) -> None:
        self._config = config(case)
        data = dataset(case.data)
        self._batches = batches(self._config, case.data)
        self._model = build(self._config.model, data.shape, len(data.classes))
        if any(isinstance(module, nn.Conv2d) for module in self._model.modules()):
            self._model = self._model.to(memory_format=torch.channels_last)
        self._optimizer = optimizer_of(self._config, list(self._model.parameters()))
        self._steps = chain.from_iterable(self._epoch() for _ in repeat(None))
        self._images, self._seconds = 0, 0.0

    def train(self, seconds: float) -> None:
        started = now = time.thread_time()
        while now - started < seconds:
            self._images += next(self._steps)
            now = time.thread_time()
        self._seconds += now - started

    def take_speed(self) -> float:
        """Return the images per second since the last call."""
        speed = self._images / self._seconds
        self._images, self._seconds = 0, 0.0
        return speed

    def _epoch(self) -> Iterator[int]:
        """Train for an epoch, and yield the size of each mini-batch."""
        model, optimizer, training = self._model, self._optimizer, self._config.training
        clip, accumulate = self._config.optimizer.clip_norm, self._config.optimizer.accumulate
        smoothing, bf16 = training.label_smoothing, training.precision == "bf16"
        # This data is normalized when it is loaded, which does not matter to the default augmentations.
        transforms = augmentations(self._config.data, lambda images: images)
        for step, (images, labels) in enumerate(self._batches(), 1):
            for transform in transforms:
                images = transform(images)
            with torch.autocast("cpu", torch.bfloat16) if bf16 else nullcontext():
                loss = F.cross_entropy(model(images), labels, label_smoothing=smoothing)
            (loss / accumulate if accumulate > 1 else loss).backward()  # type: ignore[no-untyped-call]
            if step % accumulate == 0:
                if clip:
                    nn.utils.clip_grad_norm_(model.parameters(), clip)
                optimizer.step()
                optimizer.zero_grad()
            yield len(labels)


def ours(case: Case) -> float:
    """A headless run with metrics rows and checkpoints; return images per second of training."""
    with tempfile.TemporaryDirectory() as folder, patch("time.monotonic", time.thread_time):
        spec = RunSpec(config=config(case), runs_dir=Path(folder))
        try:
            return train_new_run(spec, lambda *_: None, lambda *_: None).samples_per_second
        finally:
            torch.set_flush_denormal(False)


def side_by_side(case: Case, bare: BareLoop) -> float:
    """Train a run in turns with the bare loop; return the ratio of their images per second."""
    steps = Loop._eager_steps

    def in_turns(loop: Loop, order: Tensor) -> Iterator[Tensor | None]:
        started = time.thread_time()
        for norms in steps(loop, order):
            yield norms
            if time.thread_time() - started > TURN:
                loop.stop_clock()
                bare.train(TURN)
                loop.start_clock()
                started = time.thread_time()

    with patch.object(Loop, "_eager_steps", in_turns):
        return ours(case) / bare.take_speed()


def measure(case: Case, runs: int) -> Claim:
    print_message(case.name)
    bare = BareLoop(case)
    side_by_side(case, bare)
    ratios = [side_by_side(case, bare) for _ in range(runs)]
    return at_least(f"{case.name} (n = {runs})", BAR, statistics.median(ratios), "x")


def claims(quick: bool) -> list[Claim]:
    return [measure(case, 3 if quick else 9) for case in CASES]


if __name__ == "__main__":
    report(__file__, claims)
