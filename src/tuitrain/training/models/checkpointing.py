"""Activation checkpointing: keep only the inputs of a network's blocks, and recompute the rest in the backward pass
(Chen et al. 2016, "Training Deep Nets with Sublinear Memory Cost")."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from tuitrain.config.schema import Model
from tuitrain.errors import ConfigError
from tuitrain.text import plain
from tuitrain.training.fine_tuning.head import network_in
from tuitrain.training.torch_internals import BatchNorm


def checkpoint_blocks(model: nn.Module, config: Model) -> None:
    """Let the blocks of `model` keep only their inputs. timm's networks, and your own if they have the method
    `set_grad_checkpointing`, choose them. Raises ConfigError if the network has no blocks."""
    network = network_in(model)
    enable: Any = getattr(network, "set_grad_checkpointing", None)
    if callable(enable):
        try:
            enable(True)
            return
        except (AssertionError, NotImplementedError):  # Some of timm's networks have the method without support.
            pass
    blocks = list(_blocks(network))
    if not blocks:
        raise ConfigError(
            f"training.checkpointing = true needs a network of blocks to recompute, and {plain(config.name, 80)}"
            " has none.",
            "Set it to false, or choose a network of blocks, such as a resnet.",
            key="training.checkpointing",
        )
    for block in blocks:
        # The names of the weights stay the same, which a wrapper would change.
        block.forward = _checkpointed(block.forward)


def _blocks(module: nn.Module) -> Iterator[nn.Module]:
    """Yield the elements of sequences that consist of several layers, such as residual blocks."""
    for child in module.children():
        elements = list(child.children()) if isinstance(child, (nn.Sequential, nn.ModuleList)) else []
        if any(_is_composite(element) for element in elements):
            for element in elements:
                inner = list(_blocks(nn.Sequential(element))) if isinstance(element, nn.Sequential) else []
                yield from inner or ([element] if _is_composite(element) else [])
        elif not elements:
            yield from _blocks(child)


def _is_composite(module: nn.Module) -> bool:
    return any(True for _ in module.children())


def _checkpointed(forward: Callable[..., Any]) -> Callable[..., Any]:
    def recomputed(*arguments: Any, **options: Any) -> Any:
        if not torch.is_grad_enabled():
            return forward(*arguments, **options)
        return checkpoint(forward, *arguments, use_reentrant=False, **options)

    return recomputed


def tracking_norms(model: nn.Module) -> list[BatchNorm]:
    """Return the batch normalizations that update their statistics in each forward pass."""
    return [module for module in model.modules() if isinstance(module, BatchNorm) and module.track_running_stats]


@contextmanager
def kept_statistics(norms: Sequence[BatchNorm]) -> Iterator[None]:
    """Keep the statistics of batch normalization while blocks are recomputed: they already include this batch."""
    before = [(norm, norm.momentum, norm.num_batches_tracked) for norm in norms]
    for norm in norms:
        norm.momentum, norm.num_batches_tracked = 0.0, None
    try:
        yield
    finally:
        for norm, momentum, count in before:
            norm.momentum, norm.num_batches_tracked = momentum, count
