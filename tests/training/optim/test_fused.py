"""FusedStep is bit-identical to `optimizer.step`."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn, optim

from tuitrain.config.schema import Config
from tuitrain.training.optim import fused as fused_module
from tuitrain.training.optim.build import build_optimizer
from tuitrain.training.optim.fused import FusedStep

Quick = Callable[..., Config]
STEPS = 5


def model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(30, 20), nn.Linear(20, 10))


def optimizer(config: Config) -> optim.Optimizer:
    return build_optimizer(config.optimizer, model())


def train(update: optim.Optimizer, step: Callable[[], object]) -> None:
    for number in range(STEPS):
        for group in update.param_groups:
            group["lr"] = 0.1 / (number + 1)
            for parameter in group["params"]:
                parameter.grad = torch.sin(parameter.detach() * 9 + number)
        step()


def tensors(update: optim.Optimizer) -> list[Tensor]:
    """Return weights and state, in the order of the state."""
    weights = [parameter.detach() for group in update.param_groups for parameter in group["params"]]
    states = [state.values() for state in update.state.values()]
    return weights + [value for values in states for value in values if isinstance(value, Tensor)]


@pytest.mark.parametrize(
    "settings",
    [
        ("optimizer.name=adam",),
        ("optimizer.name=adam", "optimizer.weight_decay=0.1", "optimizer.beta1=0.5", "optimizer.beta2=0.9"),
        ("optimizer.name=adamw", "optimizer.weight_decay=0.1"),
        ("optimizer.name=sgd",),
        ("optimizer.name=sgd", "optimizer.momentum=0.9", "optimizer.weight_decay=0.1"),
        ("optimizer.name=sgd", "optimizer.momentum=0.9", "optimizer.nesterov=true"),
        ("optimizer.name=rmsprop",),
        ("optimizer.name=muon", "optimizer.momentum=0.9"),
    ],
    ids=" ".join,
)
def test_same_weights_and_state(quick: Quick, settings: tuple[str, ...]) -> None:
    config = quick(*settings)
    plain, ours = optimizer(config), optimizer(config)
    train(plain, plain.step)
    train(ours, FusedStep(ours))
    # Also with existing state.
    train(plain, plain.step)
    train(ours, FusedStep(ours))
    assert len(tensors(ours)) == len(tensors(plain))
    assert all(map(torch.equal, tensors(ours), tensors(plain)))
    assert str(ours.state_dict()) == str(plain.state_dict())


def raises() -> None:
    raise TypeError


@pytest.mark.parametrize("kernel", [raises, lambda: None], ids=["another signature", "another result"])
def test_changed_kernels_of_torch_are_not_used(
    quick: Quick, monkeypatch: pytest.MonkeyPatch, kernel: Callable[[], object]
) -> None:
    monkeypatch.setitem(fused_module._FUSED_STEPS, optim.Adam, lambda _: kernel)
    fused_module._matches_torch.cache_clear()
    plain, ours = optimizer(quick()), optimizer(quick())
    train(plain, plain.step)
    train(ours, FusedStep(ours))
    fused_module._matches_torch.cache_clear()
    assert all(map(torch.equal, tensors(ours), tensors(plain)))
