"""DirectBackward is bit-identical to AutogradBackward."""

from collections.abc import Callable
from typing import get_args

import pytest
import torch
from torch import Tensor

from tuitrain.config.schema import Activation, Config
from tuitrain.training.backward import AutogradBackward, Backward, DirectBackward, build_backward
from tuitrain.training.setup import Setup, prepare

Quick = Callable[..., Config]


def trained(
    config: Config, kind: type[AutogradBackward] | type[DirectBackward]
) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
    """Return the losses, logits and gradients of every step of an epoch, whose last batch is smaller."""
    setup = prepare(config, lambda *_: None)
    backward: Backward = kind(setup)
    losses: list[Tensor] = []
    outputs: list[Tensor] = []
    gradients: list[Tensor] = []
    for images, labels in setup.dataset.train.batches(setup.epoch_order(0), config.data.batch_size):
        loss, logits = backward(images, labels, 1)
        losses.append(loss.clone())
        outputs.append(logits.clone())
        gradients.extend(parameter.grad.clone() for parameter in setup.model.parameters() if parameter.grad is not None)
        setup.optimizer.step()
        backward.zero_grad()
    assert not any(tensor.requires_grad for tensor in (*losses, *outputs))
    assert len(outputs[-1]) < len(outputs[0])
    return losses, outputs, gradients


def bit_identical(config: Config) -> bool:
    parts = zip(trained(config, DirectBackward), trained(config, AutogradBackward), strict=True)
    return all(len(a) == len(b) and all(map(torch.equal, a, b)) for a, b in parts)


@pytest.mark.parametrize("activation", get_args(Activation))
@pytest.mark.parametrize("optimizer", ["optimizer.name=sgd", "optimizer.name=adam"])
def test_every_activation(quick: Quick, activation: str, optimizer: str) -> None:
    assert bit_identical(quick(f"model.activation={activation}", optimizer, "optimizer.lr=0.01"))


@pytest.mark.parametrize("hidden", ["[]", "[1]", "[7, 33, 5, 64]"])
@pytest.mark.parametrize("smoothing", [0, 0.2])
def test_depths_and_label_smoothing(quick: Quick, hidden: str, smoothing: float) -> None:
    assert bit_identical(
        quick(f"model.hidden={hidden}", f"training.label_smoothing={smoothing}", "data.batch_size=100")
    )


def chosen(setup: Setup) -> str:
    return type(build_backward(setup)).__name__


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ((), "DirectBackward"),
        (("data.augment=[shift]", "optimizer.clip_norm=1", "training.deterministic=true"), "DirectBackward"),
        (("model.dropout=0.1",), "AutogradBackward"),
        (("model.batch_norm=true",), "AutogradBackward"),
        (("model.name=cnn",), "AutogradBackward"),
        (("optimizer.accumulate=2",), "AutogradBackward"),
        (("training.precision=bf16",), "AutogradBackward"),
    ],
)
def test_choice_of_the_implementation(quick: Quick, settings: tuple[str, ...], expected: str) -> None:
    assert chosen(prepare(quick(*settings), lambda *_: None)) == expected
