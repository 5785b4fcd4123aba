"""Checkpointed blocks train exactly as others, and keep less memory."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from tuitrain.config.networks import NETWORKS
from tuitrain.config.schema import Config, Model
from tuitrain.config.values import override
from tuitrain.errors import ConfigError
from tuitrain.training import models
from tuitrain.training.estimate.measure import TrainingSteps
from tuitrain.training.estimate.random_images import random_images
from tuitrain.training.estimate.step import estimate_step
from tuitrain.training.models.checkpointing import checkpoint_blocks
from tuitrain.training.setup import prepare

SHAPE, CLASSES = (3, 32, 32), 5
WITHOUT_BLOCKS = ("mlp", "alexnet", "vgg11_bn", "vgg16_bn", "inception_v3")


class WithBlocks(nn.Module):
    """Two blocks with dropout and batch normalization, and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            [nn.Sequential(nn.Linear(8, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.5)) for _ in range(2)]
        )
        self.head = nn.Linear(8, 3)

    def forward(self, values: Tensor) -> Tensor:
        for block in self.blocks:
            values = block(values)
        return self.head(values)  # type: ignore[no-any-return]


def config(*settings: str) -> Config:
    quick = ("training.device=cpu", "training.threads=1", "data.validation=0", "data.batch_size=4")
    return override(Config(), (*quick, *settings))


def trained(*settings: str) -> tuple[dict[str, Tensor], list[Tensor]]:
    """Return the tensors of a network, and the gradients of the last of two steps."""
    setup = prepare(config(*settings), lambda *_: None, random_images(SHAPE, CLASSES, 12))
    gradients: list[Tensor] = []
    step, zero_grad = TrainingSteps(setup), setup.optimizer.zero_grad

    def keep() -> None:
        gradients[:] = [parameter.grad.clone() for parameter in setup.model.parameters() if parameter.grad is not None]
        zero_grad()

    setup.optimizer.zero_grad = keep  # type: ignore[method-assign, assignment]
    step()
    step()
    return setup.model.state_dict(), gradients


@pytest.mark.usefixtures("restored_torch_settings")
@pytest.mark.parametrize(
    "settings",
    [
        ("model.name=efficientnet_b0",),
        ("model.name=timm/resnet10t",),
        ("model.name=timm/vit_tiny_patch16_224", "optimizer.accumulate=2"),
        ("model.name=cnn", "model.batch_norm=true", "model.dropout=0.5"),
    ],
)
def test_weights_gradients_and_statistics_are_those_without_checkpointing(settings: tuple[str, ...]) -> None:
    state, gradients = trained(*settings)
    checkpointed, others = trained(*settings, "training.checkpointing=true")
    assert checkpointed.keys() == state.keys()
    for name, value in state.items():
        assert torch.equal(value, checkpointed[name]), name
    assert gradients
    assert all(map(torch.equal, gradients, others))


@pytest.mark.parametrize("name", [name for name in NETWORKS if name not in WITHOUT_BLOCKS])
def test_every_network_of_blocks_is_supported(name: str) -> None:
    with torch.device("meta"):
        network = models.build(Model(name=name), SHAPE, CLASSES)
    names = list(network.state_dict())
    checkpoint_blocks(network, Model(name=name))
    assert list(network.state_dict()) == names
    assert any("forward" in vars(module) for module in network.modules())


@pytest.mark.parametrize("name", WITHOUT_BLOCKS)
def test_a_network_without_blocks_is_refused(name: str) -> None:
    with torch.device("meta"):
        network = models.build(Model(name=name), SHAPE, CLASSES)
    with pytest.raises(ConfigError, match=f"needs a network of blocks to recompute, and {name} has none") as caught:
        checkpoint_blocks(network, Model(name=name))
    assert caught.value.key == "training.checkpointing"


def test_an_mlp_is_refused_before_it_is_built() -> None:
    with pytest.raises(ConfigError, match="and mlp has none"):
        config("training.checkpointing=true")


def test_blocks_compute_as_before_with_dropout() -> None:
    def gradients(change: Callable[[nn.Module], object]) -> list[Tensor | None]:
        torch.manual_seed(0)
        network = WithBlocks()
        change(network)
        network(torch.ones(4, 8)).sum().backward()
        return [parameter.grad for parameter in network.parameters()]

    plain = gradients(lambda _: None)
    checkpointed = gradients(lambda network: checkpoint_blocks(network, Model(name="resnet18")))
    assert all(torch.equal(one, other) for one, other in zip(plain, checkpointed, strict=True) if one is not None)  # type: ignore[arg-type]


def test_activations_take_less_memory_and_more_operations() -> None:
    large = ("model.name=resnet18", "data.batch_size=64")
    plain = estimate_step(config(*large), SHAPE, CLASSES, torch.device("cpu"))
    checkpointed = config(*large, "training.checkpointing=true")
    found = estimate_step(checkpointed, SHAPE, CLASSES, torch.device("cpu"))
    assert found.activations < 0.5 * plain.activations
    assert found.training < 0.8 * plain.training
    assert found.weights == plain.weights
    assert 1.2 * plain.flops < found.flops < 1.4 * plain.flops
