"""The update rules, and the norms of the gradients they are given."""

import inspect
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn, optim

from tuitrain.config import schema
from tuitrain.training.optim.uncompiled import eager

Layers = Sequence[tuple[str, list[nn.Parameter]]]


def build(config: schema.Optimizer, model: nn.Module) -> optim.Optimizer:
    """The optimizer of the model's parameters, which lie on their device already.

    It is torch's own, with its fused kernel where there is one, or `Muon`; either works with a GradScaler. Its state
    is tensors and plain values, so that `torch.load(weights_only=True)` reads it.
    """
    if config.name == "muon":
        return Muon(config, model)
    return elementwise(config, model.parameters())


def elementwise(config: schema.Optimizer, parameters: Iterable[nn.Parameter]) -> optim.Optimizer:
    """One that treats every number of the parameters alike, wherever it stands; for muon the one of its rest."""
    params = list(parameters)
    common: dict[str, Any] = {"lr": config.lr, "weight_decay": config.weight_decay}
    adam = common | {"betas": (config.beta1, config.beta2)}
    kinds: dict[str, tuple[Callable[..., optim.Optimizer], dict[str, Any]]] = {
        "sgd": (optim.SGD, common | {"momentum": config.momentum, "nesterov": config.nesterov}),
        "adam": (optim.Adam, adam),
        "adamw": (optim.AdamW, adam),
        "nadam": (optim.NAdam, adam),
        "radam": (optim.RAdam, adam),
        "rmsprop": (optim.RMSprop, common | {"momentum": config.momentum}),
        "adagrad": (optim.Adagrad, common),
    }
    kind, options = kinds["adamw" if config.name == "muon" else config.name]
    if _has_fused(kind, params[0].device):
        options["fused"] = True
    if params[0].is_cuda and "capturable" in inspect.signature(kind).parameters:
        options["capturable"] = True
    optimizer = eager(kind)(params, **options)
    # torch warns of a step that is not captured; some are not, and all may be.
    optimizer._warned_capturable_if_run_uncaptured = True
    optimizer.register_load_state_dict_pre_hook(_as_here)
    optimizer.register_load_state_dict_post_hook(_lay_out)
    return optimizer


def _as_here(optimizer: optim.Optimizer, saved: dict[str, Any]) -> dict[str, Any]:
    """Which kernels there are, and where steps are counted, is this device's matter, not that of the saved one."""
    own = {name: optimizer.defaults[name] for name in ("fused", "capturable") if name in optimizer.defaults}
    return saved | {"param_groups": [group | own for group in saved["param_groups"]]}


def _lay_out(optimizer: optim.Optimizer) -> None:
    """Fused kernels walk through memory in its order, so that the state must lie there as its parameter does. Files
    keep numbers, not strides."""
    for parameter, state in optimizer.state.items():
        for name, value in state.items():
            if isinstance(value, Tensor) and value.shape == parameter.shape and value.stride() != parameter.stride():
                state[name] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)


@cache
def _has_fused(kind: Callable[..., optim.Optimizer], device: torch.device) -> bool:
    """Whether `kind` has a fused kernel on `device`, found out by taking a step with it."""
    probe = torch.zeros(1, device=device, requires_grad=True)
    probe.grad = torch.zeros_like(probe)
    try:
        eager(kind)([probe], fused=True).step()
    except (TypeError, RuntimeError):
        return False
    return True


class Muon(optim.Optimizer):
    """Muon for the hidden weight matrices, AdamW for all else: head, biases, norms, convolutions, position tables.

    A hidden matrix is a parameter of two dimensions that is called a weight; the last of them is the head's. Muon's
    updates are scaled to the size of AdamW's (Liu et al. 2025, "Muon is Scalable for LLM Training", section 2.2), so
    that one learning rate serves both. A GradScaler unscales the gradients before it calls `step`, because this class
    does not claim to scale them itself, as a fused AdamW alone would.
    """

    def __init__(self, config: schema.Optimizer, model: nn.Module) -> None:
        named = dict(model.named_parameters())
        hidden = [name for name, p in named.items() if p.ndim == 2 and name.endswith("weight")][:-1]
        rest = [parameter for name, parameter in named.items() if name not in hidden]
        super().__init__(named.values(), {"lr": config.lr})
        self._parts = {"adamw": elementwise(config, rest)}
        if hidden:
            self._parts["muon"] = eager(optim.Muon)(
                [named[name] for name in hidden],
                lr=config.lr,
                weight_decay=config.weight_decay,
                momentum=config.momentum,
                nesterov=config.nesterov,
                adjust_lr_fn="match_rms_adamw",
            )
        self._gather()

    def _gather(self) -> None:
        """Makes the parts' groups this optimizer's own: a learning rate set here is theirs."""
        self.param_groups = [group for part in self._parts.values() for group in part.param_groups]

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        if closure is not None:
            raise TypeError("Muon.step takes no closure")
        for part in self._parts.values():
            part.step()

    def state_dict(self) -> dict[str, Any]:
        return {name: part.state_dict() for name, part in self._parts.items()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        for name, part in self._parts.items():
            part.load_state_dict(state_dict[name])
        self._gather()


def parts(optimizer: optim.Optimizer) -> list[optim.Optimizer]:
    """Those that hold the state."""
    return list(optimizer._parts.values()) if isinstance(optimizer, Muon) else [optimizer]


def layer_norms(layers: Layers) -> Tensor:
    """The Euclidean norm of each layer's gradient `(L,) float32`, on the device and without waiting for it.

    A parameter without a gradient counts as zero.
    """
    return torch.stack([_norm(parameters) for _, parameters in layers]) if layers else torch.zeros(0)


def _norm(parameters: list[nn.Parameter]) -> Tensor:
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    if not gradients:
        return torch.zeros((), device=parameters[0].device)
    return nn.utils.get_total_norm(gradients).float()
