"""Compute the features of images: the input of the classifier, in which similar images are close to each other."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn

from tuitrain.errors import RunError
from tuitrain.training.data.splits import Split
from tuitrain.training.explain.forward import eval_mode
from tuitrain.training.fine_tuning.head import head_names, network_in
from tuitrain.training.setup import Setup


class Embeddings(NamedTuple):
    """The features (N, D) and labels (N,) int64 of all images of a split, on the CPU. `files` are their N paths, or
    empty."""

    features: Tensor
    labels: Tensor
    files: Sequence[str]


def embed_split(setup: Setup, split: Split, heartbeat: Callable[[int], None] = lambda _: None) -> Embeddings:
    """Return the features of a split in its order. Calls `heartbeat` with the number of finished images after every
    batch; it may use the network, or raise to abort. Raises RunError if the network has no classifier."""
    parts: list[Tensor] = []
    done = 0
    for images, _ in split.batches(torch.arange(len(split)), setup.config.data.batch_size):
        parts.append(embed(setup, images).cpu())
        done += len(images)
        heartbeat(done)
    return Embeddings(torch.cat(parts), split.labels.cpu(), split.files)


@torch.no_grad()
def embed(setup: Setup, images: Tensor) -> Tensor:
    """Return the features (n, D) of images (n, C, H, W) as a split yields them, on the device. A classifier whose input
    has positions gets their mean. Raises RunError if the network has no classifier."""
    heads = head_names(network_in(setup.model))
    if not heads:
        raise RunError("This network has no linear or convolutional layer, so that its images have no features.")
    with eval_mode(setup.model), _inputs_of(network_in(setup.model).get_submodule(heads[0])) as inputs:
        with setup.autocast():
            setup.model(setup.normalize(images.to(setup.device)))
        if not inputs or len(inputs[0]) != len(images):
            raise RunError(
                "The network does not use its last layer once per image, so that its images have no features."
            )
        features = inputs[0]
    if features.ndim == 4:
        return features.mean((2, 3))
    return features.mean(1) if features.ndim == 3 else features.flatten(1)


@contextmanager
def _inputs_of(module: nn.Module) -> Iterator[list[Tensor]]:
    """Gather the inputs of a module during the body of the `with` statement."""
    inputs: list[Tensor] = []
    handle = module.register_forward_pre_hook(lambda _, arguments: inputs.append(arguments[0].detach()))
    try:
        yield inputs
    finally:
        handle.remove()
