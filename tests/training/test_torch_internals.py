"""The private parts of torch are as `torch_internals` expects; a failure here means that torch has changed one."""

import inspect
import sys
from collections.abc import Callable

import pytest
import torch
from torch import nn, optim

from forked import server
from tuitrain.training import torch_internals
from tuitrain.training.optim.fused import _matches_torch

OPTIMIZERS = [optim.SGD, optim.Adam, optim.AdamW, optim.NAdam, optim.RAdam, optim.RMSprop, optim.Adagrad, optim.Muon]


@pytest.mark.parametrize("optimizer_class", [optim.SGD, optim.Adam, optim.AdamW])
def test_fused_kernels_exist_and_match_the_optimizer(optimizer_class: Callable[..., optim.Optimizer]) -> None:
    assert torch_internals.fused_sgd is torch._fused_sgd_
    assert torch_internals.fused_adam is torch._fused_adam_
    assert torch_internals.fused_adamw is torch._fused_adamw_
    assert _matches_torch(optimizer_class)


def test_aten_has_the_backward_operators() -> None:
    names = ["threshold", "sigmoid", "tanh", "leaky_relu", "gelu", "silu", "elu"]
    for name in (*(f"{name}_backward" for name in names), "nll_loss_forward", "nll_loss_backward"):
        assert getattr(torch_internals.aten, name).overloads(), name
    log_softmax = torch.log_softmax(torch.tensor([[1.0, 2.0]]), 1)
    grad = torch_internals.log_softmax_backward(torch.tensor([[-1.0, 0.0]]), log_softmax, 1, torch.float32)
    torch.testing.assert_close(grad, log_softmax.exp() - torch.tensor([[1.0, 0.0]]))


@pytest.mark.parametrize("module", [nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d])
def test_batch_norm_is_the_base_class(module: type[nn.Module]) -> None:
    assert issubclass(module, torch_internals.BatchNorm)


def test_torch_warns_once_by_the_attribute_that_is_set() -> None:
    assert "_warned_capturable_if_run_uncaptured" in inspect.getsource(inspect.getmodule(optim.Optimizer))  # type: ignore[arg-type]
    optimizer = optim.Adam([nn.Parameter(torch.zeros(1))])
    torch_internals.silence_capturable_warning(optimizer)
    assert vars(optimizer)["_warned_capturable_if_run_uncaptured"] is True


def test_dynamo_is_excluded_by_the_attribute_that_is_set() -> None:
    assert "__dynamo_disable" in inspect.getsource(torch._compile._disable_dynamo)


def test_optimizers_step_without_importing_the_compiler() -> None:
    process = server.Process(target=step_every_optimizer)
    process.start()
    process.join()
    assert process.exitcode == 0


def step_every_optimizer() -> None:
    for optimizer_class in OPTIMIZERS:
        weight = nn.Parameter(torch.ones(2, 2))
        weight.grad = torch.ones(2, 2)
        optimizer = torch_internals.without_dynamo(optimizer_class)([weight], lr=0.1)
        optimizer.step()
        optimizer.zero_grad()
        optimizer.load_state_dict(optimizer.state_dict())
        assert "torch._dynamo" not in sys.modules, optimizer_class


@pytest.mark.parametrize("optimizer_class", OPTIMIZERS)
def test_steps_without_the_compiler_are_bit_identical(optimizer_class: Callable[..., optim.Optimizer]) -> None:
    weights = [nn.Parameter(torch.linspace(-1, 1, 12).view(3, 4)) for _ in range(2)]
    classes = (optimizer_class, torch_internals.without_dynamo(optimizer_class))
    optimizers = [make([weight], lr=0.1) for make, weight in zip(classes, weights, strict=True)]
    for number in range(3):
        for weight, optimizer in zip(weights, optimizers, strict=True):
            weight.grad = torch.sin(weight.detach() + number)
            optimizer.step()
    assert torch.equal(*weights)
