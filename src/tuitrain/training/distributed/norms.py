"""Normalize by the statistics of the global batch, of which each rank has a share.

torch's SyncBatchNorm does so on GPUs only, in place of the layer. Here every call of `F.batch_norm` is replaced while a
network computes, so that layers of libraries and of users are covered too and keep their classes and names.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

from tuitrain.training.distributed.group import Group


class SynchronizedNorms(TorchFunctionMode):
    """A context in which `F.batch_norm` uses the statistics of the images of all ranks. A rank without images outputs
    zeros for the image that does not count."""

    def __init__(self, group: Group) -> None:
        super().__init__()
        self._group = group

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        if func is F.batch_norm:
            return self._batch_norm(*args, **(kwargs or {}))
        return func(*args, **(kwargs or {}))

    def _batch_norm(
        self,
        input: Tensor,
        running_mean: Tensor | None,
        running_var: Tensor | None,
        weight: Tensor | None = None,
        bias: Tensor | None = None,
        training: bool = False,
        momentum: float = 0.1,
        eps: float = 1e-5,
    ) -> Tensor:
        """Return this rank's part of what `F.batch_norm` would return for the global batch."""
        if not training:
            return F.batch_norm(input, running_mean, running_var, weight, bias, training, momentum, eps)
        counted = input if self._group.share.own else input[:0]
        output, mean, variance, count = _BatchNorm.apply(counted, eps, self._group)
        if running_mean is not None and running_var is not None:
            running_mean.lerp_(mean.to(running_mean.dtype), momentum)
            unbiased = variance * (count / (count - 1))
            running_var.lerp_(unbiased.to(running_var.dtype), momentum)
        shape = [1, -1] + [1] * (input.ndim - 2)
        if weight is not None:
            output = output * weight.view(shape)
        if bias is not None:
            output = output + bias.view(shape)
        output = output.to(input.dtype)
        return output if self._group.share.own else torch.cat((output, torch.zeros_like(input)))


class _BatchNorm(torch.autograd.Function):
    """Subtract the mean of each channel over all ranks and divide by the standard deviation, in float32."""

    @staticmethod
    def forward(ctx: Any, input: Tensor, eps: float, group: Group) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return the normalized input (N, C, …), mean and variance (C,) and the number () of values of a channel."""
        values, channels = input.float(), input.shape[1]
        dims = [0, *range(2, input.ndim)]
        own = torch.zeros(2 * channels + 1, device=input.device)
        if len(input):
            variance, mean = torch.var_mean(values, dims, correction=0)
            own = torch.cat((mean, variance, mean.new_full((1,), values.numel() / channels)))
        means, variances, counts = torch.split(group.gather_tensors(own), [channels, channels, 1], 1)  # (ranks, …)
        count = counts.sum()
        mean = (means * counts).sum(0) / count
        variance = ((variances + (means - mean).square()) * counts).sum(0) / count
        shape = [1, -1] + [1] * (input.ndim - 2)
        scale = (variance + eps).rsqrt().view(shape)
        normalized = (values - mean.view(shape)) * scale
        ctx.save_for_backward(normalized, scale, count)
        ctx.group, ctx.dims, ctx.dtype = group, dims, input.dtype
        ctx.mark_non_differentiable(mean, variance, count)
        return normalized, mean, variance, count

    @staticmethod
    def backward(ctx: Any, gradient: Tensor, *_: Tensor) -> tuple[Tensor, None, None]:
        normalized, scale, count = ctx.saved_tensors
        sums = torch.stack((gradient.sum(ctx.dims), (gradient * normalized).sum(ctx.dims)))
        mean, along = (ctx.group.sum_(sums) / count).view(2, *scale.shape)
        return ((gradient - mean - normalized * along) * scale).to(ctx.dtype), None, None
