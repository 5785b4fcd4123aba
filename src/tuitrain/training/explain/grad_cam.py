"""Grad-CAM, for networks whose last layers keep a feature map (Selvaraju et al. 2017)."""

from torch import Tensor, nn

from tuitrain.errors import RunError
from tuitrain.training.explain.forward import ForwardPass, eval_mode, forward_pass, gradient
from tuitrain.training.fine_tuning.head import head_names, network_in


def grad_cam(model: nn.Module, images: Tensor, classes: Tensor) -> Tensor:
    """Return the heat of each position of the last feature map, (N, h, w) float32, not negative. `images` (N, C, H, W)
    are inputs of the network, and `classes` (N,) int64 those to explain. Raises RunError if no layer has a feature map
    that the logits depend on."""
    with eval_mode(model):
        heat = class_activation(model, forward_pass(model, images), classes)
    if heat is None:
        raise RunError("Grad-CAM needs a network whose last layers keep a feature map.")
    return heat


def class_activation(model: nn.Module, passed: ForwardPass, classes: Tensor) -> Tensor | None:
    """Return what `grad_cam` returns for a recorded forward pass; None if no feature map is left at its end."""
    features = passed.last
    if features is None or features.ndim != 4 or (slope := gradient(passed, classes, features)) is None:
        return None
    channel = 3 if _is_channels_last(model, features) else 1
    positions = tuple({1, 2, 3} - {channel})
    weights = slope.float().mean(positions, keepdim=True)
    return (weights * features.detach().float()).sum(channel).relu()


def _is_channels_last(model: nn.Module, features: Tensor) -> bool:
    """Return whether the feature map is (N, h, w, C), as in Swin: C is the number of inputs of the classifier."""
    network = network_in(model)
    heads = [network.get_submodule(path) for path in head_names(network)]
    sizes = {head.in_features for head in heads if isinstance(head, nn.Linear)}
    return features.shape[3] in sizes and features.shape[1] not in sizes
