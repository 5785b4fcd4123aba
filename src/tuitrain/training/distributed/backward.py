"""Compute the gradient of a global batch, of which each rank has a share.

One call sums the gradients after the backward pass, on GPUs as on the CPU. `DistributedDataParallel` would begin
earlier, but it fails on layers without a gradient, must be built again when frozen layers begin to train, and gives the
mean over the ranks in place of the mean over the images.
"""

from contextlib import nullcontext

import torch
from torch import Tensor

from tuitrain.training.backward import AutogradBackward
from tuitrain.training.distributed.group import Group
from tuitrain.training.distributed.norms import SynchronizedNorms
from tuitrain.training.setup import Setup


class SharedBackward(AutogradBackward):
    """Backpropagation of this rank's share of each global batch. The last call for a step leaves the gradient of the
    global batches in the parameters, the same on all ranks."""

    def __init__(self, setup: Setup, group: Group) -> None:
        super().__init__(setup)
        self._group, self._parameters = group, list(setup.model.parameters())
        self._synchronizes = setup.has_batch_norm
        # Calls since the last step.
        self._calls = 0

    def __call__(self, images: Tensor, labels: Tensor, accumulated: int) -> tuple[Tensor, Tensor]:
        """Return this rank's part of the loss and its logits. The parts add up over the ranks to the mean loss of the
        global batch. See `AutogradBackward`."""
        norms = SynchronizedNorms(self._group) if self._synchronizes else nullcontext()
        with norms:
            mean, logits = self.forward(images, labels)
        # A rank without images has computed one of the batch, so its mean is finite, and its fraction is 0.
        loss = mean * self._fraction(labels)
        self.backward(loss / accumulated)
        self._calls += 1
        if self._calls == accumulated:
            self._sum_gradients()
            self._calls = 0
        return loss.detach(), logits.detach()

    def _fraction(self, labels: Tensor) -> float | Tensor:
        """Return the part that this rank's images have in the mean over the global batch."""
        share, weights = self._group.share, self._class_weights
        if weights is None:
            return share.fraction
        own = (labels * weights).sum() if labels.is_floating_point() else weights[labels].sum()
        if not share.own:
            own = torch.zeros_like(own)
        return own / self._group.sum_(own.clone())

    def _sum_gradients(self) -> None:
        """Replace the gradients by their sums. A parameter without a gradient on all ranks keeps none."""
        trained = [parameter for parameter in self._parameters if parameter.requires_grad]
        present = torch.tensor([parameter.grad is not None for parameter in trained], device=trained[0].device)
        found = [torch.zeros_like(p) if p.grad is None else p.grad for p in trained]
        summed = self._group.sum_(torch.cat([*(gradient.flatten() for gradient in found), present.to(found[0].dtype)]))
        *parts, counts = torch.split(summed, [*(gradient.numel() for gradient in found), len(trained)])
        torch._foreach_copy_(found, [part.view(gradient.shape) for part, gradient in zip(parts, found, strict=True)])
        if all(parameter.grad is not None for parameter in trained):
            return
        for parameter, gradient, count in zip(trained, found, counts.tolist(), strict=True):
            parameter.grad = gradient if count else None
