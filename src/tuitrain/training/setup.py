"""All that training needs, made from a configuration: the data, the network, the optimizer."""

import math
import random
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
import torch
from torch import Tensor, nn

from tuitrain.config.schema import Config, Data
from tuitrain.errors import ConfigError
from tuitrain.training import device as devices
from tuitrain.training import models
from tuitrain.training.data import Dataset, Progress, augmentation, load, user_transform
from tuitrain.training.models.summary import gradient_layers, title
from tuitrain.training.optim.build import build_optimizer
from tuitrain.training.torch_internals import BatchNorm

Batch = Callable[[Tensor], Tensor]


@dataclass
class Setup:
    """`transforms` are applied to each training batch in their order; `layers` are those whose gradients are logged."""

    config: Config
    device: torch.device
    threads: int
    dataset: Dataset
    model: nn.Module
    title: str
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    transforms: tuple[Batch, ...]
    layers: list[tuple[str, list[nn.Parameter]]]

    @property
    def autocast(self) -> Callable[[], AbstractContextManager[object]]:
        kind = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(self.config.training.precision)
        return nullcontext if kind is None else partial(torch.autocast, self.device.type, dtype=kind)

    @cached_property
    def images_per_epoch(self) -> int:
        """Training images an epoch. A last batch of one image has no variance to normalise by, and is left out."""
        count, size = len(self.dataset.train), self.config.data.batch_size
        return count - 1 if count % size == 1 and size > 1 and self._batch_norm else count

    @cached_property
    def batches_per_epoch(self) -> int:
        return math.ceil(self.images_per_epoch / self.config.data.batch_size)

    @cached_property
    def steps_per_epoch(self) -> int:
        return math.ceil(self.batches_per_epoch / self.config.optimizer.accumulate)

    @property
    def _batch_norm(self) -> bool:
        return any(isinstance(module, BatchNorm) for module in self.model.modules())

    def epoch_order(self, epoch: int) -> Tensor:
        """(N,) int64 on the CPU: the order of an epoch is a function of seed and epoch alone, so that a resumed
        run needs no memory of it."""
        generator = torch.Generator().manual_seed((self.config.training.seed * 1_000_003 + epoch) % 2**63)
        return torch.randperm(len(self.dataset.train), generator=generator)[: self.images_per_epoch]


Loader = Callable[[Data, int, torch.device, Progress], Dataset]


def prepare(config: Config, progress: Progress, load: Loader = load) -> Setup:
    """Load the data and build the network, in the thread that will train. Raises ConfigError and DataError."""
    device = devices.choose_device(config.training.device)
    threads = devices.configure_torch(config, device)
    if config.training.precision == "fp16" and device.type == "cpu":
        raise ConfigError(
            "training.precision = fp16 needs a GPU.", "Use bf16 or fp32 on the CPU.", key="training.precision"
        )
    transform = user_transform(config.data.transform)
    dataset = load(config.data, config.training.seed, device, progress)
    augment = augmentation(config.data.augment, config.data.dataset)
    progress("building the network", None)
    seed(config.training.seed)
    model = models.build(config.model, dataset.shape, len(dataset.classes))
    # Convolutions are faster with the channels innermost, on both devices.
    convolutional = any(isinstance(module, nn.Conv2d) for module in model.modules())
    model = model.to(device, memory_format=torch.channels_last if convolutional else torch.preserve_format)  # type: ignore[call-overload]
    setup = Setup(
        config=config,
        device=device,
        threads=threads,
        dataset=dataset,
        model=model,
        title=title(config.model, dataset.shape, len(dataset.classes)),
        optimizer=build_optimizer(config.optimizer, model),
        scaler=torch.amp.GradScaler(device.type, enabled=config.training.precision == "fp16"),
        transforms=tuple(change for change in (augment, transform) if change is not None),
        layers=gradient_layers(model),
    )
    if setup.images_per_epoch < 2 and setup._batch_norm:
        raise ConfigError("Batch normalisation needs at least 2 training images.", key="data.batch_size")
    if config.data.batch_size == 1 and setup._batch_norm:
        raise ConfigError(
            "data.batch_size = 1: batch normalisation needs at least 2 images a batch.", key="data.batch_size"
        )
    return setup


def seed(value: int) -> None:
    """Every generator that a model, an augmentation or a user's function may draw from."""
    random.seed(value)
    np.random.seed(value % 2**32)
    torch.manual_seed(value)
