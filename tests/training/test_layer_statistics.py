"""What the layers do at a step: how much they change, and what their units pass on."""

from collections.abc import Callable
from unittest.mock import patch

import pytest
import torch
from torch import nn

from training.loop.reference_loop import Quick, Train, prepared, same, saved_weights
from tuitrain.training import layer_statistics
from tuitrain.training.layer_statistics import LayerMeter
from tuitrain.training.setup import Setup

MLP = ("model.hidden=8,4",)


def measured(
    setup: Setup, images: torch.Tensor, step: Callable[[], None] = lambda: None
) -> dict[str, list[float | None]]:
    meter = LayerMeter(setup)
    assert meter.before_step(layer_statistics.EVERY)
    with torch.no_grad():
        step()
    return {name: list(values) for name, values in meter.measure(images).items()}


def inputs(setup: Setup, count: int = 16) -> torch.Tensor:
    images, _ = next(setup.dataset.train.batches(torch.arange(count), count))
    return setup.normalize(images)


def test_the_update_is_relative_to_the_weights_before(quick: Quick) -> None:
    setup = prepared(quick(*MLP))
    first, second, third = (layer[0] for _, layer in setup.layers)
    third.data.zero_()
    for parameter in setup.layers[1][1]:
        parameter.requires_grad_(False)

    def step() -> None:
        for weight, factor in ((first, 1.01), (second, 3.0)):
            weight.mul_(factor)
        third.add_(1)

    assert measured(setup, inputs(setup), step)["update_ratio"] == [pytest.approx(0.01, rel=1e-3), None, None]


def test_outputs_are_those_after_the_activation(quick: Quick) -> None:
    setup = prepared(quick(*MLP))
    images = inputs(setup)
    layers = [module for module in setup.model.modules() if isinstance(module, nn.Linear)]
    layers[1].bias.data[:3] = -1000
    first = layers[0](images.flatten(1)).relu()
    second = layers[1](first).relu()
    outputs = [first, second, layers[2](second)]
    values = measured(setup, images)
    assert values["mean"] == [pytest.approx(output.mean().item(), rel=1e-3) for output in outputs]
    assert values["std"] == [pytest.approx(output.std(correction=0).item(), rel=1e-3) for output in outputs]
    assert values["dead"][1:] == [0.75, None]


def test_a_dead_channel_is_zero_in_all_places_of_all_images(quick: Quick) -> None:
    setup = prepared(quick("model.name=cnn"))
    convolution = next(module for module in setup.model.modules() if isinstance(module, nn.Conv2d))
    assert convolution.bias is not None
    convolution.bias.data.fill_(1000)
    convolution.bias.data[: convolution.out_channels // 4] = -1000
    assert measured(setup, inputs(setup))["dead"][0] == 0.25


def test_only_relus_die(quick: Quick) -> None:
    setup = prepared(quick(*MLP, "model.activation=sigmoid"))
    values = measured(setup, inputs(setup))
    assert values["dead"] == [None, None, None]
    assert all(0 < mean < 1 for mean in values["mean"][:2] if mean is not None)


def test_measuring_leaves_no_trace(quick: Quick) -> None:
    setup = prepared(quick(*MLP, "model.batch_norm=true", "model.dropout=0.5"))
    setup.model.train()
    list(setup.model.modules())[2].eval()
    before = [value.clone() for value in setup.model.state_dict().values()]
    modes, random = [module.training for module in setup.model.modules()], torch.get_rng_state()
    measured(setup, inputs(setup))
    assert same(list(setup.model.state_dict().values()), before)
    assert [module.training for module in setup.model.modules()] == modes
    assert torch.equal(torch.get_rng_state(), random)
    with patch.object(setup, "forward", side_effect=RuntimeError), pytest.raises(RuntimeError):
        measured(setup, inputs(setup))
    assert [module.training for module in setup.model.modules()] == modes
    assert not any(module._forward_hooks for module in setup.model.modules())


@pytest.mark.parametrize("settings", [(), ("model.batch_norm=true", "model.dropout=0.2", "training.ema=0.9")])
def test_a_run_trains_the_same_weights_whether_it_is_measured_or_not(train: Train, settings: tuple[str, ...]) -> None:
    settings = (*settings, "training.epochs=3")
    with patch.object(layer_statistics, "FIRST", 3), patch.object(layer_statistics, "EVERY", 10):
        run = train(*settings)
    with patch.object(layer_statistics, "FIRST", 0), patch.object(layer_statistics, "EVERY", 10**9):
        unmeasured = train(*settings)
    steps = run.train.step[-1]
    assert run.layer_steps.step.tolist() == [3, *range(10, steps + 1, 10)]
    assert not unmeasured.layer_steps
    assert same(saved_weights(run), saved_weights(unmeasured))
    ratios = run.layer_statistics["update_ratio"]
    assert len(ratios) == len(run.info.layers)
    assert all(0 < ratio < 1 for column in ratios for ratio in column)
