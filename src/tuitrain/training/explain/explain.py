"""Explain predictions by a heat map over each image."""

from typing import Literal

import torch
import torch.nn.functional as F
from msgspec import Struct
from torch import Tensor

from tuitrain.errors import RunError
from tuitrain.training.explain.forward import ForwardPass, eval_mode, forward_pass, gradient
from tuitrain.training.explain.grad_cam import class_activation
from tuitrain.training.explain.rollout import attention_rollout
from tuitrain.training.setup import Setup

Method = Literal["Grad-CAM", "attention rollout", "input gradient"]
# Images per forward pass, whose graph is kept.
BATCH = 16


class Explanation(Struct, frozen=True):
    """The explanation of N predictions. `heat` (N, H, W) float32 in [0, 1] has the size of the images, and `classes`
    (N,) int64 are those that it explains. `probabilities` is (N, K) float32. All are on the CPU."""

    method: Method
    heat: Tensor
    classes: Tensor
    probabilities: Tensor


def explain(setup: Setup, images: Tensor, classes: Tensor | None = None) -> Explanation:
    """Explain the logits of `classes` (N,) for `images` (N, C, H, W) as a split yields them; by default, those of the
    predicted classes. The heat of an image is 1 at its hottest position, or 0 everywhere if no position raises the
    logit. Use the model's current weights and leave it as it was. Raises RunError if it does not allow gradients."""
    parts = []
    with eval_mode(setup.model):
        for start in range(0, len(images), BATCH):
            end = start + BATCH
            chosen = None if classes is None else classes[start:end].to(setup.device)
            parts.append(_explain_batch(setup, images[start:end].to(setup.device), chosen))
    heat, explained, probabilities = (
        torch.cat([getattr(part, name) for part in parts]) for name in ("heat", "classes", "probabilities")
    )
    return Explanation(parts[0].method, heat, explained, probabilities)


def _explain_batch(setup: Setup, images: Tensor, classes: Tensor | None) -> Explanation:
    passed = forward_pass(setup.model, setup.normalize(images), setup.autocast)
    probabilities = passed.logits.detach().float().softmax(1)
    classes = probabilities.argmax(1) if classes is None else classes
    method, heat = _heat(setup, passed, classes)
    scaled = F.interpolate(heat[:, None], images.shape[2:], mode="bilinear", align_corners=False)[:, 0]
    return Explanation(method, _in_unit_range(scaled).cpu(), classes.cpu(), probabilities.cpu())


def _heat(setup: Setup, passed: ForwardPass, classes: Tensor) -> tuple[Method, Tensor]:
    if (heat := class_activation(setup.model, passed, classes)) is not None:
        return "Grad-CAM", heat
    heat = attention_rollout(setup.model, passed.inputs.detach(), setup.autocast)
    if heat is not None:
        # Every patch gets some attention.
        return "attention rollout", heat - heat.amin((1, 2), keepdim=True)
    if (slope := gradient(passed, classes, passed.inputs)) is None:
        raise RunError("This network cannot be explained: it computes its logits without gradients.")
    return "input gradient", smoothed(slope.float().abs().sum(1))


def smoothed(heat: Tensor) -> Tensor:
    """Average each pixel of (N, H, W) with its neighbours: gradients of single pixels are noisy."""
    return F.avg_pool2d(heat[:, None], 3, stride=1, padding=1, count_include_pad=False)[:, 0]


def _in_unit_range(heat: Tensor) -> Tensor:
    heat = heat.nan_to_num(0.0, 0.0, 0.0).clamp_min(0)
    return heat / heat.amax((1, 2), keepdim=True).clamp_min(torch.finfo(torch.float32).tiny)
