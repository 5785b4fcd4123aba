"""Build the data, model and optimizer that a configuration describes."""

import math
import random
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
import torch
from msgspec.structs import replace
from torch import Tensor, nn

from tuitrain.config.code import is_spec
from tuitrain.config.data.image_size import image_size
from tuitrain.config.data.schema import Data
from tuitrain.config.fine_tuning import trains_norms
from tuitrain.config.networks import check_network
from tuitrain.config.schema import Config
from tuitrain.errors import ConfigError
from tuitrain.runs.records import RunInfo, WeightsInfo
from tuitrain.training import device as devices
from tuitrain.training import models
from tuitrain.training.average import WeightAverage
from tuitrain.training.data.augment import Transform, augmentations
from tuitrain.training.data.dataset import Dataset, DatasetLoader, Progress
from tuitrain.training.data.load import load as load_dataset
from tuitrain.training.data.normalize import Normalizer
from tuitrain.training.data.resize import Resize
from tuitrain.training.data.sampler import balanced_order, balanced_weights
from tuitrain.training.data.transforms.mixing import Mix, mixing
from tuitrain.training.data.user.transform import user_transform
from tuitrain.training.distributed.group import Group
from tuitrain.training.fine_tuning.freeze import freeze_backbone, is_frozen
from tuitrain.training.memory import check_network_fits, check_parameters_fit
from tuitrain.training.models.checkpointing import checkpoint_blocks
from tuitrain.training.models.compilation import compiled
from tuitrain.training.models.placement import move
from tuitrain.training.models.user_model import check_output
from tuitrain.training.optim.build import build_optimizer
from tuitrain.training.optim.groups import parameter_groups
from tuitrain.training.optim.norms import Layers, gradient_layers
from tuitrain.training.torch_internals import BatchNorm
from tuitrain.training.user_code import forget_modules
from tuitrain.training.weights.find import WeightsFile, find_weights
from tuitrain.training.weights.load import load_initial_weights

# With `training.log_every = auto`: the minimum number of rows per epoch, the maximum number of steps between two rows,
# and steps with an additional row, so that a slow run soon shows something.
ROWS_PER_EPOCH, MIN_LOG_EVERY, MAX_LOG_EVERY, FIRST_ROWS = 20, 4, 100, (1, 5, 20)


@dataclass
class Setup:
    """What a training loop needs. `normalize` turns the pixels of a split's batch into the input of the network;
    `transforms` do so in training and include it: see `_transforms`. `mix` then mixes images and labels. `layers` have
    their gradient norms logged."""

    config: Config
    device: torch.device
    threads: int
    dataset: Dataset
    model: nn.Module
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    normalize: Normalizer
    transforms: tuple[Transform, ...]
    layers: Layers
    average: WeightAverage | None = None
    weights: WeightsInfo | None = None
    # Whether only the classifier is trained.
    frozen: bool = False
    mix: Mix | None = None
    # The ranks that share each batch; None: this process trains alone.
    group: Group | None = None

    def inputs_and_labels(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Return the inputs of the network and the labels for a training batch that the split yields. mixup and cutmix
        turn labels (N,) into the probabilities of the classes, (N, K)."""
        for transform in self.transforms:
            images = transform(images)
        return (images, labels) if self.mix is None else self.mix(images, labels)

    def __post_init__(self) -> None:
        # Turns a batch of the data set into logits: the model, or its classifier if the data are features.
        self.forward = self.model

    def batches(self, order: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the training batches of the images at `order` (M,) as `Split.batches`, or this rank's share of each."""
        train, size = self.dataset.train, self.config.data.images_per_batch
        return self.group.batches(train, order, size) if self.group else train.batches(order, size)

    def unfreeze(self) -> None:
        """Let all weights train. The optimizer keeps the state of the classifier."""
        for parameter in self.model.parameters():
            parameter.requires_grad_(True)
        for group in parameter_groups(self.config, self.model, heads=False):
            self.optimizer.add_param_group(group)
        self.frozen = False

    def averaged(self) -> AbstractContextManager[object]:
        """Return a context in which the model has the weights that evaluations use: their average, if there is one."""
        return self.average.applied() if self.average else nullcontext()

    @property
    def autocast(self) -> Callable[[], AbstractContextManager[object]]:
        """The context that a forward pass runs in, according to `training.precision`."""
        return autocast(self.config, self.device)

    @cached_property
    def images_per_epoch(self) -> int:
        """All training images, minus a last batch of one image, which has no variance for batch normalization."""
        count, size = len(self.dataset.train), self.config.data.images_per_batch
        return count - 1 if count % size == 1 and size > 1 and self.has_batch_norm else count

    @cached_property
    def batches_per_epoch(self) -> int:
        return math.ceil(self.images_per_epoch / self.config.data.images_per_batch)

    @cached_property
    def steps_per_epoch(self) -> int:
        return math.ceil(self.batches_per_epoch / self.config.optimizer.accumulate)

    @cached_property
    def log_every(self) -> int:
        """Steps between two rows of training metrics."""
        given = self.config.training.log_every
        if given != "auto":
            return given
        return max(MIN_LOG_EVERY, min(self.steps_per_epoch // ROWS_PER_EPOCH, MAX_LOG_EVERY))

    def row_due(self, step: int) -> bool:
        """Return whether a row of training metrics follows the step; an epoch also ends with one."""
        if self.config.training.log_every != "auto":
            return step % self.log_every == 0
        # The last batch of an epoch may be small, and its row alone would be an outlier of the curve.
        at_end = step > 1 and -step % self.steps_per_epoch < self.log_every
        return not at_end and (step % self.log_every == 0 or step in FIRST_ROWS)

    @cached_property
    def class_weights(self) -> Tensor | None:
        """The weight of each class in the training loss, (K,) float32 on the device; None: all are equal."""
        if self.config.training.class_weights == "none":
            return None
        return balanced_weights(self.dataset.train.labels, len(self.dataset.classes)).to(self.device)

    @property
    def has_batch_norm(self) -> bool:
        """Whether the network normalizes by the statistics of a training batch."""
        trains = trains_norms(self.config)
        return any(
            isinstance(module, BatchNorm) and (trains or module.running_mean is None) for module in self.model.modules()
        )

    def epoch_order(self, epoch: int) -> Tensor:
        """Return the image indices of an epoch in the order of `data.sampler`, `(images_per_epoch,) int64` on the CPU.
        They depend on the seed and the epoch alone, so a resumed run continues in mid-epoch with a slice."""
        # A large prime keeps the generator seeds of (seed, epoch) pairs apart.
        generator = torch.Generator().manual_seed((self.config.training.seed * 1_000_003 + epoch) % 2**63)
        if self.config.data.sampler == "balanced":
            return balanced_order(self.dataset.train.labels, self.images_per_epoch, generator)
        return torch.randperm(len(self.dataset.train), generator=generator)[: self.images_per_epoch]


def autocast(config: Config, device: torch.device) -> Callable[[], AbstractContextManager[object]]:
    dtype = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(config.training.precision)
    return nullcontext if dtype is None else partial(torch.autocast, device.type, dtype=dtype)


def prepare(
    config: Config,
    progress: Progress,
    load: DatasetLoader | None = None,
    before: RunInfo | None = None,
    *,
    has_checkpoint: bool = False,
    only: str | None = None,
) -> Setup:
    """Load the data and build the model, in the thread that will train. Raises ConfigError and DataError.

    `before` and `only` are those of `load_dataset`: the record of a run that was trained before, and the split that an
    evaluation needs. `load` replaces `load_dataset`. With `has_checkpoint`, a checkpoint will replace the initial
    weights, so their file may be missing.
    """
    forget_modules()
    check_network(config.model.name)
    # An evaluation is short, and the process that makes it may stay open.
    device = devices.choose_device(config.training.device, hold=only is None)
    threads = devices.configure_torch(config, device)
    _check_settings(config, device)
    transform = user_transform(config.data.transform)
    recorded = before.weights if before and has_checkpoint else None
    file = None if recorded else find_weights(config.model, progress)
    weights = file.info if file else recorded
    load = load or partial(load_dataset, before=before, weights=weights, only=only)
    dataset = load(_with_image_size(config, weights, before), config.training.seed, device, progress)
    normalize = Normalizer(
        dataset.normalization, device, Resize(dataset.shape[1:], weights.interpolation if weights else "bilinear")
    )
    model, loaded = _model(config, dataset, device, file, progress)
    setup = Setup(
        config=config,
        device=device,
        threads=threads,
        dataset=dataset,
        model=model,
        optimizer=build_optimizer(config.optimizer, model, parameter_groups(config, model)),
        scaler=torch.amp.GradScaler(device.type, enabled=config.training.precision == "fp16"),
        normalize=normalize,
        transforms=_transforms(config.data, dataset, normalize, transform),
        # If the backbone trains after some epochs, all layers need a column in the metrics.
        layers=gradient_layers(model, trainable=config.finetune.freeze == "backbone"),
        average=WeightAverage(model, config.training.ema) if config.training.ema else None,
        weights=loaded or weights,
        frozen=is_frozen(config, 0),
        mix=mixing(config.data, len(dataset.classes)),
    )
    _check_batch_norm(setup)
    if only is None:
        _prepare_forward(setup)
    return setup


def _check_settings(config: Config, device: torch.device) -> None:
    if config.training.folds is not None:
        raise ConfigError(
            f"training.folds = {config.training.folds} trains one run per fold, but this is a single run.",
            "Set data.fold, 1/5 for example, and training.folds = none.",
            key="training.folds",
        )
    if config.training.precision == "fp16" and device.type == "cpu":
        raise ConfigError(
            "training.precision = fp16 needs a GPU.", "Use bf16 or fp32 on the CPU.", key="training.precision"
        )


def _model(
    config: Config, dataset: Dataset, device: torch.device, file: WeightsFile | None, progress: Progress
) -> tuple[nn.Module, WeightsInfo | None]:
    """Return the model on the device, with its initial weights, and the facts about those of `file`."""
    progress("building the model", None)
    check_network_fits(config, dataset.shape, len(dataset.classes), device)
    seed_generators(config.training.seed)
    model, loaded = _build(config, dataset, device), None
    if file:
        progress("loading the weights", None)
        loaded = load_initial_weights(model, file, config.model.weights or "")
    model = move(model, device, own=is_spec(config.model.name))
    if is_frozen(config, 0):
        freeze_backbone(model)
    return model, loaded


def _prepare_forward(setup: Setup) -> None:
    """Change how a training step computes the network, as `training.checkpointing` and `training.compile` say."""
    if setup.config.training.checkpointing:
        checkpoint_blocks(setup.model, setup.config.model)
    if setup.config.training.compile:
        setup.forward = compiled(setup.model, setup.device)


def _build(config: Config, dataset: Dataset, device: torch.device) -> nn.Module:
    model = models.build(config.model, dataset.shape, len(dataset.classes))
    if is_spec(config.model.name):
        # The forward pass also creates the parameters of lazy layers.
        check_output(config.model, model, dataset.shape, len(dataset.classes))
        check_parameters_fit(config, model, device)
    return model


def _transforms(data: Data, dataset: Dataset, normalize: Normalizer, user: Transform | None) -> tuple[Transform, ...]:
    """Return the transforms of each training batch in order: augmentation, normalization, the user's transform. Eager
    and captured steps apply them to the images that the split yields."""
    augment = augmentations(data, dataset.normalization.in_unit_range)
    return (*augment, normalize, user) if user else (*augment, normalize)


def _with_image_size(config: Config, weights: WeightsInfo | None, before: RunInfo | None) -> Data:
    """Return the settings of the data, with a number in place of `data.image_size = auto`; auto remains if the images
    keep their size."""
    known = (before.shape[1] if before else 0) or (weights.size if weights else 0)
    return replace(config.data, image_size=image_size(config, known) or "auto")


def _check_batch_norm(setup: Setup) -> None:
    """Raise ConfigError if batch normalization would see a batch of one image, which has no variance."""
    images, size = len(setup.dataset.train), setup.config.data.batch_size
    if setup.has_batch_norm and (images if size == "auto" else min(images, size)) < 2:
        raise ConfigError(
            f"data.batch_size = {size} with {images:,} training images: batch normalization needs 2 images per batch.",
            "Set data.batch_size to 2 or more, or choose a model without batch normalization.",
            key="data.batch_size",
        )


def seed_generators(seed: int) -> None:
    """Seed all generators that models, augmentations and user functions draw from."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)
