"""Compute the features of images: the input of the classifier, in which similar images are close to each other."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from tuitrain.config.code import is_spec
from tuitrain.errors import RunError
from tuitrain.training.data.dataset import Progress, Ticker
from tuitrain.training.data.splits import Split
from tuitrain.training.data.user.stream import ItemSplit
from tuitrain.training.evaluation.evaluate import batch_size
from tuitrain.training.explain.forward import eval_mode
from tuitrain.training.fine_tuning.feature_cache import FeatureCache
from tuitrain.training.fine_tuning.head import head_names, inputs_of, network_in
from tuitrain.training.setup import Setup


class Embeddings(NamedTuple):
    """The features (N, D) float32 and labels (N,) int64 of all images of a split, on the CPU. `files` are their N
    paths, or empty."""

    features: Tensor
    labels: Tensor
    files: Sequence[str]


def embed_split(setup: Setup, split: Split, progress: Progress = lambda *_: None) -> Embeddings:
    """Return the features of a split in its order, from the cache of features if they are there, and keep them there.
    `progress` is called after every batch; it may use the network, or raise to abort. Raises RunError if the network
    has no classifier."""

    def compute() -> Tensor:
        parts, total = [], len(split)
        ticker = Ticker(progress, total, lambda done: f"computing features: {done:,} of {total:,} images", "images")
        for images, _ in split.batches(torch.arange(total), batch_size(split, setup.dataset.shape)):
            parts.append(embed(setup, images))
            ticker.update(len(images))
        return torch.cat(parts)

    if runs_user_code(setup):
        features = compute()
    else:
        features = FeatureCache(setup, lambda doing: progress(doing, None)).features(split, compute)
    return Embeddings(features.float().cpu(), split.labels.cpu(), split.files)


def are_cached(setup: Setup, split: Split) -> bool:
    """Return whether the cache has a file with the features of a split."""
    return not runs_user_code(setup) and FeatureCache(setup, lambda _: None).file_of(split)[0].exists()


def runs_user_code(setup: Setup) -> bool:
    """Return whether the user's code computes the features or reads the images: the cache cannot tell its versions
    apart."""
    return is_spec(setup.config.model.name) or isinstance(setup.dataset.train, ItemSplit)


def embed(setup: Setup, images: Tensor) -> Tensor:
    """Return the features (n, D) of images (n, C, H, W) as a split yields them, on the device. A classifier whose input
    has positions gets their mean. Raises RunError if the network has no classifier."""
    return embed_and_classify(setup, images)[0]


@torch.no_grad()
def embed_and_classify(setup: Setup, images: Tensor) -> tuple[Tensor, Tensor]:
    """Return the features (n, D) of images as `embed` does, and their logits (n, K) float32."""
    heads = head_names(network_in(setup.model))
    if not heads:
        raise RunError("This network has no linear or convolutional layer, so that its images have no features.")
    with eval_mode(setup.model), inputs_of(network_in(setup.model).get_submodule(heads[0])) as inputs:
        with setup.autocast():
            logits: Tensor = setup.model(setup.normalize(images.to(setup.device)))
        if not inputs or len(inputs[0]) != len(images):
            raise RunError(
                "The network does not use its last layer once per image, so that its images have no features."
            )
        features = inputs[0]
    if features.ndim == 4:
        features = features.mean((2, 3))
    elif features.ndim == 3:
        features = features.mean(1)
    return features.flatten(1), logits.float()
