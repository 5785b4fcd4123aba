"""Build the optimizer that a configuration describes."""

import inspect
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn, optim

from tuitrain.config import schema
from tuitrain.training.optim.groups import Group
from tuitrain.training.optim.muon import Muon, hidden_matrices
from tuitrain.training.torch_internals import silence_capturable_warning, without_dynamo

# The shape of the weight on which `_state_of_probe` tries an optimizer. No other state has it by chance.
_PROBE = torch.Size((3, 5))


def build_optimizer(
    config: schema.Optimizer, model: nn.Module, groups: Sequence[Group] | None = None
) -> optim.Optimizer:
    """Return the optimizer of the model's parameters, which must be on their device already. `groups` are those of
    `parameter_groups`; None: one group of all parameters. Muon makes its own.

    It is torch's own, fused if torch has a fused kernel for the device, or `Muon`; both work with a GradScaler. The
    state contains only tensors and plain values, so `torch.load(weights_only=True)` reads it.
    """
    if config.name == "muon":
        return _build_muon(config, model)
    return build_elementwise(config, list(model.parameters()) if groups is None else groups)


def build_elementwise(config: schema.Optimizer, params: Sequence[nn.Parameter] | Sequence[Group]) -> optim.Optimizer:
    """Return an optimizer of parameters or groups of them whose update of each weight does not depend on the shape of
    its tensor. Such an optimizer may step stacked parameters. The name muon gives AdamW, which steps Muon's remaining
    parameters."""
    first = params[0]["params"][0] if isinstance(params[0], dict) else params[0]
    common: dict[str, Any] = {"lr": config.lr, "weight_decay": config.weight_decay}
    adam = common | {"betas": (config.beta1, config.beta2)}
    choices: dict[str, tuple[Callable[..., optim.Optimizer], dict[str, Any]]] = {
        "sgd": (optim.SGD, common | {"momentum": config.momentum, "nesterov": config.nesterov}),
        "adam": (optim.Adam, adam),
        "adamw": (optim.AdamW, adam),
        "nadam": (optim.NAdam, adam),
        "radam": (optim.RAdam, adam),
        "rmsprop": (optim.RMSprop, common | {"momentum": config.momentum}),
        "adagrad": (optim.Adagrad, common),
    }
    optimizer_class, options = choices["adamw" if config.name == "muon" else config.name]
    if _has_fused_kernel(optimizer_class, first.device):
        options["fused"] = True
    if first.is_cuda and "capturable" in inspect.signature(optimizer_class).parameters:
        options["capturable"] = True
    optimizer = without_dynamo(optimizer_class)(params, **options)
    silence_capturable_warning(optimizer)
    optimizer.register_load_state_dict_pre_hook(_keep_options)
    optimizer.register_load_state_dict_post_hook(_match_strides)
    return optimizer


def _build_muon(config: schema.Optimizer, model: nn.Module) -> Muon:
    named, hidden = dict(model.named_parameters()), hidden_matrices(model)
    rest = [parameter for name, parameter in named.items() if name not in hidden]
    inner = {"adamw": build_elementwise(config, rest)}
    if hidden:
        inner["muon"] = without_dynamo(optim.Muon)(
            [named[name] for name in hidden],
            lr=config.lr,
            weight_decay=config.weight_decay,
            momentum=config.momentum,
            nesterov=config.nesterov,
            # Scales the updates to the size of AdamW's, so that both work with one learning rate: Liu et al. 2025,
            # "Muon is Scalable for LLM Training", section 2.2.
            adjust_lr_fn="match_rms_adamw",
        )
        inner["muon"].register_load_state_dict_pre_hook(_keep_options)
    return Muon(inner, model, config.lr)


def inner_optimizers(optimizer: optim.Optimizer) -> list[optim.Optimizer]:
    """Return the optimizers that hold the state: those inside a `Muon`, else the optimizer itself."""
    return list(optimizer.inner.values()) if isinstance(optimizer, Muon) else [optimizer]


def load_optimizer_state(optimizer: optim.Optimizer, config: schema.Optimizer, saved: dict[str, Any]) -> None:
    """Load what `optimizer.state_dict()` returned. Raises ValueError, TypeError or LookupError if the state is that of
    another optimizer."""
    optimizer.load_state_dict(saved)
    for part in inner_optimizers(optimizer):
        parameters = [parameter for group in part.param_groups for parameter in group["params"]]
        if not part.state.keys() <= set(parameters):
            raise ValueError("the optimizer has the state of other weights")
        expected = _state_of_probe(part, config) if part.state else {}
        for parameter, state in part.state.items():
            _check_state(state, expected, parameter)


def _state_of_probe(optimizer: optim.Optimizer, config: schema.Optimizer) -> dict[str, Any]:
    """Return the state that such an optimizer keeps for a weight after one step."""
    like = optimizer.param_groups[0]["params"][0]
    probe = nn.Parameter(torch.zeros(_PROBE, dtype=like.dtype, device=like.device))
    probe.grad = torch.zeros_like(probe)
    is_muon = isinstance(optimizer, optim.Muon)
    trial = without_dynamo(optim.Muon)([probe]) if is_muon else build_elementwise(config, [probe])
    trial.step()
    return dict(trial.state[probe])


def _check_state(state: dict[str, Any], expected: dict[str, Any], parameter: Tensor) -> None:
    for name, like in expected.items():
        value = state[name]
        if isinstance(like, Tensor) != isinstance(value, Tensor):
            raise TypeError(f"{name} of the optimizer is a {type(value).__name__}")
        if isinstance(like, Tensor):
            shape = parameter.shape if like.shape == _PROBE else like.shape
            if value.shape != shape or value.dtype != like.dtype:
                raise ValueError(f"{name} of the optimizer has shape {tuple(value.shape)} and type {value.dtype}")


def _keep_options(optimizer: optim.Optimizer, saved: dict[str, Any]) -> dict[str, Any]:
    """Keep the present options, which suit the configuration and the device; the loop sets the learning rate itself."""
    groups = zip(optimizer.param_groups, saved["param_groups"], strict=True)
    return saved | {"param_groups": [own | {"params": group["params"]} for own, group in groups]}


def _match_strides(optimizer: optim.Optimizer) -> None:
    """Lay out each state tensor like its parameter: fused kernels assume equal strides, which files do not store."""
    for parameter, state in optimizer.state.items():
        for name, value in state.items():
            if isinstance(value, Tensor) and value.shape == parameter.shape and value.stride() != parameter.stride():
                state[name] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)


@cache
def _has_fused_kernel(optimizer_class: Callable[..., optim.Optimizer], device: torch.device) -> bool:
    """Take one fused step on a single weight, because torch does not say where it has fused kernels."""
    probe = torch.zeros(1, device=device, requires_grad=True)
    probe.grad = torch.zeros_like(probe)
    try:
        without_dynamo(optimizer_class)([probe], fused=True).step()
    except (TypeError, RuntimeError):
        return False
    return True
