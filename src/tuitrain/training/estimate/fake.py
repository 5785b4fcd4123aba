"""Build what a run trains from fake tensors, which take no memory."""

from typing import Any

import torch
import torch.nn.functional as F
from msgspec.structs import replace
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from tuitrain.config.code import is_spec
from tuitrain.config.schema import Config
from tuitrain.training import models
from tuitrain.training.data.dataset import Dataset
from tuitrain.training.data.normalize import Normalization, Normalizer
from tuitrain.training.data.splits import MemorySplit
from tuitrain.training.fine_tuning.freeze import freeze_backbone, trains_backbone
from tuitrain.training.models.checkpointing import checkpoint_blocks
from tuitrain.training.models.placement import has_convolution
from tuitrain.training.optim.build import build_elementwise, build_optimizer
from tuitrain.training.optim.groups import parameter_groups
from tuitrain.training.setup import Setup

Shape = tuple[int, int, int]
CPU = torch.device("cpu")
# With autocast, a GPU computes these functions in float32, and the CPU in the lower precision.
_FLOAT32_ON_GPUS = {
    F.layer_norm, torch.layer_norm, F.group_norm, torch.group_norm, F.softmax, torch.softmax, Tensor.softmax,
}  # fmt: skip


class GpuAutocast(TorchFunctionMode):
    """Lets tensors on the CPU have the types that autocast gives them on a GPU."""

    def __torch_function__(
        self, function: Any, _types: Any, arguments: tuple[Any, ...] = (), options: dict[str, Any] | None = None
    ) -> Any:
        if function in _FLOAT32_ON_GPUS and arguments and arguments[0].dtype in (torch.bfloat16, torch.float16):
            arguments = (arguments[0].float(), *arguments[1:])
        return function(*arguments, **(options or {}))


def meta_model(config: Config, shape: Shape, classes: int) -> nn.Module | None:
    """Return the network without weights; None for a user's network, whose code may need real tensors."""
    if is_spec(config.model.name):
        return None
    with torch.device("meta"):
        return models.build(config.model, shape, classes)


def fake_setup(config: Config, shape: Shape, classes: int, model: nn.Module | None) -> Setup:
    """Return a setup on the CPU, with one batch of images, of the network `model` on the meta device, or of the user's
    network. Call it within fake tensors, after `prepare_optimizer`."""
    if model is None:
        model = models.build(config.model, shape, classes)
    else:
        _materialize(model)
    if not trains_backbone(config):
        freeze_backbone(model)
    if config.training.checkpointing:
        checkpoint_blocks(model, config.model)
    normalization, batch = Normalization.none(shape[0]), config.data.images_per_batch
    split = MemorySplit(torch.empty((batch, *shape), dtype=torch.uint8), torch.zeros(batch, dtype=torch.int64))
    names = tuple(map(str, range(classes)))
    return Setup(
        # Class weights would be counted from labels, which fake tensors do not have.
        config=replace(config, training=replace(config.training, class_weights="none")),
        device=CPU,
        threads=1,
        dataset=Dataset("", shape, names, split, None, split, normalization),
        model=model,
        optimizer=build_optimizer(config.optimizer, model, parameter_groups(config, model)),
        scaler=torch.amp.GradScaler("cpu", enabled=False),
        normalize=Normalizer(normalization, CPU),
        transforms=(),
        layers=[],
    )


def prepare_optimizer(config: Config) -> None:
    """Let torch say whether it has a fused kernel for the optimizer, which fake tensors cannot tell."""
    build_elementwise(config.optimizer, [nn.Parameter(torch.zeros(1))])


def _materialize(model: nn.Module) -> None:
    """Replace the tensors of a network on the meta device by fake ones on the CPU."""
    images_last = has_convolution(model)

    def made(tensor: Tensor) -> Tensor:
        memory_format = torch.channels_last if images_last and tensor.ndim == 4 else torch.contiguous_format
        return torch.empty(tensor.shape, dtype=tensor.dtype, memory_format=memory_format)

    for module in model.modules():
        for name, parameter in list(module.named_parameters(recurse=False)):
            setattr(module, name, nn.Parameter(made(parameter), parameter.requires_grad))
        for name, buffer in list(module.named_buffers(recurse=False)):
            setattr(module, name, made(buffer))
