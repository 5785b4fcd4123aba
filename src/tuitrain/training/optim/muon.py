"""Muon for the hidden layers, with AdamW for all other parameters."""

from typing import Any

import torch
from torch import nn, optim


class Muon(optim.Optimizer):
    """Steps `optim.Muon` on the hidden weight matrices and `optim.AdamW` on all other parameters, as one optimizer.

    `inner` maps "adamw" and, if the model has hidden matrices, "muon" to them; these names are the keys of the state.
    The class must not announce support for GradScaler as a fused AdamW does: the scaler then unscales all gradients
    before it calls `step`, also those of Muon.
    """

    def __init__(self, inner: dict[str, optim.Optimizer], model: nn.Module, lr: float) -> None:
        super().__init__(model.parameters(), {"lr": lr})
        self.inner = inner
        self._share_groups()

    def _share_groups(self) -> None:
        """Expose the groups of the inner optimizers, so that setting a learning rate here sets theirs."""
        self.param_groups = [group for optimizer in self.inner.values() for group in optimizer.param_groups]

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        if closure is not None:
            raise TypeError("Muon.step takes no closure")
        for optimizer in self.inner.values():
            optimizer.step()

    def state_dict(self) -> dict[str, Any]:
        return {name: optimizer.state_dict() for name, optimizer in self.inner.items()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        for name, optimizer in self.inner.items():
            optimizer.load_state_dict(state_dict[name])
        self._share_groups()


def hidden_matrices(model: nn.Module) -> list[str]:
    """Return the names of the two-dimensional weights, except the last: the head's, which Muon is not meant for."""
    named = model.named_parameters()
    return [name for name, parameter in named if parameter.ndim == 2 and name.endswith("weight")][:-1]
