"""Attention rollout, for timm's vision transformers (Abnar and Zuidema 2020)."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from tuitrain.training.explain.forward import Autocast
from tuitrain.training.fine_tuning.head import network_in


@torch.no_grad()
def attention_rollout(model: nn.Module, inputs: Tensor, autocast: Autocast = nullcontext) -> Tensor | None:
    """Return how much attention each patch gets over all layers, (N, h, w) float32; None if `model` is not one of
    timm's transformers whose layers all attend to the same grid of patches. Rollout is the same for every class."""
    network: Any = network_in(model)
    grid = getattr(getattr(network, "patch_embed", None), "grid_size", None)
    layers = [module for module in network.modules() if hasattr(module, "fused_attn") and hasattr(module, "attn_drop")]
    if grid is None or not layers:
        return None
    with _attention_maps(layers) as maps, autocast():
        model(inputs)
    height, width = grid
    extra = int(getattr(network, "num_prefix_tokens", 0))
    tokens = extra + height * width
    if len(maps) != len(layers) or any(each.shape != (len(inputs), tokens, tokens) for each in maps):
        return None
    attention = _rolled_out(maps)
    pools_class_token = extra and getattr(network, "global_pool", "token") == "token"
    received = attention[:, 0, extra:] if pools_class_token else attention[:, extra:, extra:].mean(1)
    return received.reshape(-1, height, width)


def _rolled_out(maps: list[Tensor]) -> Tensor:
    """Multiply the attention of all layers, (N, L, L) each, in which half of a token passes by the layer unchanged."""
    same = torch.eye(maps[0].shape[-1], device=maps[0].device)
    total = same.expand_as(maps[0])
    for attention in maps:
        mixed = attention + same
        total = (mixed / mixed.sum(-1, keepdim=True)) @ total
    return total


@contextmanager
def _attention_maps(layers: list[Any]) -> Iterator[list[Tensor]]:
    """Gather the attention of each layer as the mean of its heads, (N, L, L) float32. The fused kernels do not return
    it, so that they are switched off meanwhile."""
    maps: list[Tensor] = []

    def gather(_: nn.Module, __: Any, output: Tensor) -> None:
        maps.append(output.float().mean(1))

    fused = [(layer, layer.fused_attn) for layer in layers]
    handles = []
    try:
        for layer in layers:
            layer.fused_attn = False
            handles.append(layer.attn_drop.register_forward_hook(gather))
        yield maps
    finally:
        for handle in handles:
            handle.remove()
        for layer, value in fused:
            layer.fused_attn = value
