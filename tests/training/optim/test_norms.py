"""Gradient norms per layer, of layers with any number of parameters."""

import pytest
import torch
from torch import nn

from tuitrain.training.optim.norms import gradient_layers, layer_gradient_norms


def model() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 2, 3, bias=False), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(2, 3), nn.Linear(3, 2, bias=False)
    )


def test_layers_have_a_weight_of_two_dimensions() -> None:
    layers = gradient_layers(model())
    assert [(path, [tuple(parameter.shape) for parameter in own]) for path, own in layers] == [
        ("0", [(2, 1, 3, 3)]), ("3", [(3, 2), (3,)]), ("4", [(2, 3)]),
    ]  # fmt: skip


@pytest.mark.parametrize("without", [(), (0,), (1,), (2,), (3,), (0, 1, 2, 3)])
def test_a_parameter_without_a_gradient_counts_as_zero(without: tuple[int, ...]) -> None:
    layers = gradient_layers(model())
    parameters = [parameter for _, own in layers for parameter in own]
    expected = [0.0, 0.0, 0.0]
    for index, (layer, parameter) in enumerate(zip((0, 1, 1, 2), parameters, strict=True)):
        if index not in without:
            parameter.grad = torch.full_like(parameter, index + 1)
            expected[layer] += (index + 1) ** 2 * parameter.numel()
    assert layer_gradient_norms(layers).tolist() == pytest.approx([total**0.5 for total in expected])


def test_frozen_layers_are_left_out_on_request() -> None:
    network = model()
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(name in ("3.bias", "1.weight"))
    assert [path for path, _ in gradient_layers(network)] == ["0", "3", "4"]
    assert [path for path, _ in gradient_layers(network, trainable=True)] == ["3"]
