import copy
from pathlib import Path
from typing import get_args

import pytest
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import Tensor, nn, optim

from tuitrain.config.schema import Model, Optimizer, OptimizerName
from tuitrain.training import models
from tuitrain.training.optim.build import build_optimizer
from tuitrain.training.optim.norms import gradient_layers, layer_gradient_norms

pytestmark = pytest.mark.usefixtures("one_thread")
NAMES: tuple[OptimizerName, ...] = get_args(OptimizerName)
RATES: dict[OptimizerName, float] = {"sgd": 0.05, "adagrad": 0.02, "rmsprop": 0.0005, "radam": 0.01, "muon": 0.01}


def digits() -> tuple[Tensor, Tensor]:
    data, target = load_digits(return_X_y=True)
    return torch.tensor(data, dtype=torch.float32).reshape(-1, 1, 8, 8) / 16, torch.tensor(target)


def network(seed: int = 0, hidden: tuple[int, ...] = (32, 16)) -> nn.Module:
    torch.manual_seed(seed)
    return models.build(Model(hidden=hidden), (1, 8, 8), 10)


def settings(name: OptimizerName) -> Optimizer:
    momentum = 0.9 if name in ("sgd", "rmsprop", "muon") else 0.0
    return Optimizer(name=name, lr=RATES.get(name, 0.002), momentum=momentum, weight_decay=0.001)


def train(model: nn.Module, optimizer: optim.Optimizer, steps: range) -> float:
    images, labels = digits()
    for step in steps:
        batch = slice(step * 64 % 1792, step * 64 % 1792 + 64)
        torch.autograd.backward(F.cross_entropy(model(images[batch]), labels[batch]))
        optimizer.step()
        optimizer.zero_grad()
    with torch.no_grad():
        return F.cross_entropy(model(images), labels).item()


def backward(model: nn.Module, scale: float = 1.0) -> None:
    images, labels = digits()
    torch.autograd.backward(F.cross_entropy(model(images), labels) * scale)


@pytest.mark.parametrize("name", NAMES)
def test_loss_falls(name: OptimizerName) -> None:
    model = network()
    assert train(model, build_optimizer(settings(name), model), range(150)) < 0.75


@pytest.mark.parametrize("name", NAMES)
def test_resuming_is_bit_exact(name: OptimizerName, tmp_path: Path) -> None:
    model = network()
    optimizer = build_optimizer(settings(name), model)
    train(model, optimizer, range(5))
    torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict()}, tmp_path / "saved.pt")
    train(model, optimizer, range(5, 10))

    saved = torch.load(tmp_path / "saved.pt", weights_only=True)
    other = network(seed=1)
    resumed = build_optimizer(settings(name), other)
    other.load_state_dict(saved["model"])
    resumed.load_state_dict(saved["optimizer"])
    train(other, resumed, range(5, 10))
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), other.parameters(), strict=True))


@pytest.mark.parametrize("name", NAMES)
def test_a_state_from_a_gpu_uses_the_kernels_of_the_cpu(name: OptimizerName) -> None:
    model = network()
    optimizer = build_optimizer(settings(name), model)
    train(model, optimizer, range(3))
    saved = copy.deepcopy(optimizer.state_dict())
    for inner in [saved] if "param_groups" in saved else saved.values():
        for group in inner["param_groups"]:
            group.update({key: True for key in ("fused", "capturable") if key in group})
    other = network()
    other.load_state_dict(model.state_dict())
    resumed = build_optimizer(settings(name), other)
    resumed.load_state_dict(saved)
    for each, update in ((model, optimizer), (other, resumed)):
        train(each, update, range(3, 6))
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), other.parameters(), strict=True))


@pytest.mark.parametrize("name", NAMES)
def test_groups_set_the_learning_rate_after_loading(name: OptimizerName) -> None:
    model = network()
    optimizer = build_optimizer(settings(name), model)
    # Loading replaces the groups.
    optimizer.load_state_dict(optimizer.state_dict())
    before = [parameter.clone() for parameter in model.parameters()]
    for group in optimizer.param_groups:
        group["lr"] = 0.0
    train(model, optimizer, range(2))
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_belongs_to_one_group(name: OptimizerName) -> None:
    model = network()
    groups = build_optimizer(settings(name), model).param_groups
    ids = [id(parameter) for group in groups for parameter in group["params"]]
    assert sorted(ids) == sorted(id(parameter) for parameter in model.parameters())


@pytest.mark.parametrize("name", ["sgd", "adam", "adamw", "adagrad"])
def test_fused_kernels_are_used_on_the_cpu(name: OptimizerName) -> None:
    assert build_optimizer(Optimizer(name=name), network()).param_groups[0]["fused"] is True


@pytest.mark.parametrize("name", ["rmsprop", "nadam", "radam"])
def test_optimizers_without_fused_kernel(name: OptimizerName) -> None:
    assert "fused" not in build_optimizer(Optimizer(name=name), network()).param_groups[0]


@pytest.mark.parametrize(
    ("config", "reference", "options"),
    [
        (
            Optimizer(name="sgd", lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
            optim.SGD,
            {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01},
        ),
        (Optimizer(name="adam", beta1=0.8, beta2=0.99), optim.Adam, {"lr": 0.001, "betas": (0.8, 0.99)}),
        (Optimizer(name="adamw", weight_decay=0.1), optim.AdamW, {"lr": 0.001, "weight_decay": 0.1}),
        (Optimizer(name="rmsprop", momentum=0.5), optim.RMSprop, {"lr": 0.001, "momentum": 0.5}),
    ],
)
def test_settings_are_passed_to_torch(
    config: Optimizer, reference: type[optim.Optimizer], options: dict[str, object]
) -> None:
    ours, theirs = network(), network()
    train(ours, build_optimizer(config, ours), range(5))
    train(theirs, reference(theirs.parameters(), **options), range(5))  # type: ignore[arg-type]
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(a, b)


def test_muon_steps_the_hidden_matrices_and_adamw_the_rest() -> None:
    optimizer = build_optimizer(settings("muon"), network())
    shapes = {
        "muon" if "ns_steps" in g else "adamw": [tuple(p.shape) for p in g["params"]] for g in optimizer.param_groups
    }
    assert shapes == {"muon": [(32, 64), (16, 32)], "adamw": [(32,), (16,), (10, 16), (10,)]}


def test_muon_without_hidden_matrix_is_adamw() -> None:
    ours, theirs = network(hidden=()), network(hidden=())
    train(ours, build_optimizer(Optimizer(name="muon"), ours), range(5))
    train(theirs, build_optimizer(Optimizer(name="adamw"), theirs), range(5))
    assert all(torch.equal(a, b) for a, b in zip(ours.parameters(), theirs.parameters(), strict=True))


@pytest.mark.parametrize("name", NAMES)
def test_gradient_scaling_does_not_change_the_step(name: OptimizerName) -> None:
    plain, scaled = network(), network()
    optimizer = build_optimizer(settings(name), plain)
    backward(plain)
    optimizer.step()

    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    optimizer = build_optimizer(settings(name), scaled)
    # The scaler creates its scale at the first use.
    scaler.scale(torch.zeros(()))
    backward(scaled, scaler.get_scale())
    scaler.step(optimizer)
    for a, b in zip(plain.parameters(), scaled.parameters(), strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("name", NAMES)
def test_gradient_scaling_skips_a_step_that_overflowed(name: OptimizerName) -> None:
    model = network()
    before = [parameter.clone() for parameter in model.parameters()]
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    optimizer = build_optimizer(settings(name), model)
    scaler.scale(torch.zeros(()))
    backward(model, float("inf"))
    scaler.step(optimizer)
    scaler.update()
    assert scaler.get_scale() == 512.0
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))


def test_gradient_layers_are_those_with_a_weight_matrix() -> None:
    model = models.build(Model(batch_norm=True), (1, 8, 8), 10)
    layers = gradient_layers(model)
    assert [name for name, _ in layers] == ["layers.0", "layers.3", "head"]
    assert [[tuple(p.shape) for p in parameters] for _, parameters in layers] == [
        [(128, 64)],
        [(256, 128)],
        [(10, 256), (10,)],
    ]


def test_layer_gradient_norms() -> None:
    model = network()
    backward(model)
    layers = gradient_layers(model)
    norms = layer_gradient_norms(layers)
    expected = [torch.cat([p.grad.flatten() for p in own if p.grad is not None]).norm() for _, own in layers]
    assert norms.dtype == torch.float32
    torch.testing.assert_close(norms, torch.stack(expected))


def test_layer_gradient_norms_without_gradients_are_zero() -> None:
    model = network()
    assert layer_gradient_norms(gradient_layers(model)).tolist() == [0.0, 0.0, 0.0]
    assert layer_gradient_norms([]).shape == (0,)


def test_layer_gradient_norms_are_not_finite_after_an_overflow() -> None:
    model = network()
    backward(model, float("inf"))
    assert not layer_gradient_norms(gradient_layers(model)).isfinite().all()
