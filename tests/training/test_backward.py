"""DirectBackward is bit-identical to AutogradBackward."""

from collections.abc import Callable
from typing import get_args

import pytest
import torch
from torch import Tensor

from tuitrain.config.schema import Activation, Config
from tuitrain.config.values import override
from tuitrain.training.backward import AutogradBackward, Backward, DirectBackward, build_backward, mean_loss
from tuitrain.training.setup import Setup, prepare

Quick = Callable[..., Config]


def trained(config: Config, kind: type[AutogradBackward] | type[DirectBackward]) -> list[Tensor]:
    """Return the losses, logits and gradients of every step of two epochs, whose last batches are smaller, and at the
    end the state of the model, with running statistics, and that of the random generator."""
    setup = prepare(config, lambda *_: None)
    backward: Backward = kind(setup)
    setup.model.train()
    found: list[Tensor] = []
    sizes: list[int] = []
    accumulate, count = config.optimizer.accumulate, setup.batches_per_epoch
    for epoch in range(2):
        batches = setup.dataset.train.batches(setup.epoch_order(epoch), config.data.images_per_batch)
        for batch, (images, labels) in enumerate(batches, 1):
            accumulated = min(accumulate, count - (batch - 1) // accumulate * accumulate)
            loss, logits = backward(*setup.inputs_and_labels(images, labels), accumulated)
            gradients = [parameter.grad for parameter in setup.model.parameters()]
            assert not any(tensor is None or tensor.requires_grad for tensor in (loss, logits, *gradients))
            found += [tensor.clone() for tensor in (loss, logits, *gradients) if tensor is not None]
            sizes.append(len(logits))
            if batch % accumulate == 0 or batch == count:
                setup.optimizer.step()
                backward.zero_grad()
    assert sizes[-1] < sizes[0]
    return [*found, *setup.model.state_dict().values(), torch.get_rng_state()]


def bit_identical(config: Config) -> bool:
    config = override(config, ["data.fraction=0.4"])
    direct, autograd = trained(config, DirectBackward), trained(config, AutogradBackward)
    return len(direct) == len(autograd) and all(map(torch.equal, direct, autograd))


@pytest.mark.parametrize("activation", get_args(Activation))
@pytest.mark.parametrize("optimizer", ["optimizer.name=sgd", "optimizer.name=adam"])
def test_every_activation(quick: Quick, activation: str, optimizer: str) -> None:
    assert bit_identical(quick(f"model.activation={activation}", optimizer, "optimizer.lr=0.01"))


@pytest.mark.parametrize("hidden", ["[]", "[1]", "[7, 33, 5, 64]"])
@pytest.mark.parametrize("smoothing", [0, 0.2])
@pytest.mark.parametrize("weights", ["none", "balanced"])
def test_depths_label_smoothing_and_class_weights(quick: Quick, hidden: str, smoothing: float, weights: str) -> None:
    loss = f"training.label_smoothing={smoothing}", f"training.class_weights={weights}"
    assert bit_identical(quick(f"model.hidden={hidden}", *loss, "data.batch_size=100"))


@pytest.mark.parametrize("accumulate", [2, 3, 7])
@pytest.mark.parametrize("smoothing", [0, 0.2])
@pytest.mark.parametrize("batch_norm", [True, False])
def test_accumulation(quick: Quick, accumulate: int, smoothing: float, *, batch_norm: bool) -> None:
    settings = f"training.label_smoothing={smoothing}", f"model.batch_norm={str(batch_norm).lower()}"
    assert bit_identical(quick(f"optimizer.accumulate={accumulate}", *settings))


@pytest.mark.parametrize("smoothing", [0, 0.2])
@pytest.mark.parametrize("weights", ["none", "balanced"])
def test_mixed_labels(quick: Quick, smoothing: float, weights: str) -> None:
    loss = f"training.label_smoothing={smoothing}", f"training.class_weights={weights}"
    assert bit_identical(quick("data.augment=[mixup, cutmix]", *loss))


@pytest.mark.parametrize("smoothing", [0, 0.2])
def test_the_loss_of_mixed_labels_is_a_mean_weighted_by_class(smoothing: float) -> None:
    logits, weights = torch.randn(6, 3), torch.tensor([0.5, 1.0, 4.0])
    mixed = torch.rand(6, 3).softmax(1)
    losses = -(weights * (mixed * (1 - smoothing) + smoothing / 3) * logits.log_softmax(1)).sum(1)
    expected = losses.sum() / (weights * mixed).sum()
    torch.testing.assert_close(mean_loss(logits, mixed, weights, smoothing), expected)


@pytest.mark.parametrize("smoothing", [0, 0.2])
@pytest.mark.parametrize("weights", [None, torch.tensor([0.5, 1.0, 4.0])])
def test_certain_labels_have_the_same_loss_as_class_indices(smoothing: float, weights: Tensor | None) -> None:
    logits, labels = torch.randn(6, 3), torch.tensor([0, 2, 1, 0, 0, 1])
    certain = torch.eye(3)[labels]
    same = mean_loss(logits, labels, weights, smoothing)
    torch.testing.assert_close(mean_loss(logits, certain, weights, smoothing), same)


@pytest.mark.parametrize("activation", get_args(Activation))
@pytest.mark.parametrize("regularization", ["batch_norm=true", "dropout=0.3"])
def test_batch_norm_and_dropout_with_every_activation(quick: Quick, activation: str, regularization: str) -> None:
    assert bit_identical(quick(f"model.activation={activation}", f"model.{regularization}", "optimizer.lr=0.01"))


@pytest.mark.parametrize("hidden", ["[]", "[1]", "[7, 33, 5, 64]"])
@pytest.mark.parametrize("optimizer", ["sgd", "nadam"])
def test_batch_norm_with_dropout(quick: Quick, hidden: str, optimizer: str) -> None:
    both = ("model.batch_norm=true", "model.dropout=0.5", "training.label_smoothing=0.1", "data.augment=[shift]")
    assert bit_identical(quick(f"model.hidden={hidden}", f"optimizer.name={optimizer}", *both))


def chosen(setup: Setup) -> str:
    return type(build_backward(setup)).__name__


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ((), "DirectBackward"),
        (("data.augment=[shift]", "optimizer.clip_norm=1", "training.deterministic=true"), "DirectBackward"),
        (("model.dropout=0.1", "model.batch_norm=true"), "DirectBackward"),
        (("model.name=cnn",), "AutogradBackward"),
        (("optimizer.accumulate=2",), "DirectBackward"),
        (("training.precision=bf16",), "AutogradBackward"),
        (("finetune.freeze=backbone",), "AutogradBackward"),
        (("finetune.freeze_epochs=1",), "AutogradBackward"),
    ],
)
def test_choice_of_the_implementation(quick: Quick, settings: tuple[str, ...], expected: str) -> None:
    assert chosen(prepare(quick(*settings), lambda *_: None)) == expected
