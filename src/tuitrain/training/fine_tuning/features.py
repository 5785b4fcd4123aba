"""Compute the features of a frozen backbone once, and train the classifier on them.

The features of an image are the input of the classifier. They stay the same in every epoch if nothing random changes
the image and the backbone does not train, so that an epoch takes milliseconds instead of minutes.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import torch
from torch import Tensor, nn

from tuitrain.config.code import is_spec
from tuitrain.training.data.feature_split import FeatureSplit
from tuitrain.training.data.normalize import Normalization, Normalizer
from tuitrain.training.data.splits import Split
from tuitrain.training.data.user.stream import ItemSplit
from tuitrain.training.device import free_memory
from tuitrain.training.fine_tuning.freeze import dropout_before
from tuitrain.training.fine_tuning.head import head_names, network_in
from tuitrain.training.setup import Setup


def obstacle(setup: Setup) -> str:
    """Return the reason why the features of this run cannot be computed once, or an empty string."""
    config, network = setup.config, network_in(setup.model)
    heads = head_names(network)
    reasons = {
        "layers before the classifier train": config.finetune.freeze != "backbone",
        "data.augment changes the images at random": bool(config.data.augment),
        "data.transform may change the images at random": config.data.transform is not None,
        "the code of the network or data set may change images at random": is_spec(config.model.name)
        or isinstance(setup.dataset.train, ItemSplit),
        "the network has several classifiers": len(heads) != 1 or not isinstance(
            network.get_submodule(heads[0]), nn.Linear
        ),
    }  # fmt: skip
    return next((reason for reason, present in reasons.items() if present), "")


@torch.no_grad()
def compute_features(setup: Setup, heartbeat: Callable[[], None]) -> str:
    """Replace the images of all splits by their features, and `setup.forward` by the classifier. Return the reason why
    this is impossible, or an empty string. Calls `heartbeat` after every batch, which may raise to abort."""
    if reason := obstacle(setup):
        return reason
    network = network_in(setup.model)
    (path,) = head_names(network)
    head = network.get_submodule(path)
    assert isinstance(head, nn.Linear)
    dataset = setup.dataset
    images = sum(len(split) for split in (dataset.train, dataset.validation, dataset.test) if split)
    if 4 * head.in_features * images > free_memory(setup.device) / 2:
        return "they take more than half of the free memory"
    was_training = setup.model.training
    setup.model.eval()
    try:
        if not _is_last(setup, head):
            return "the network changes the output of its classifier"

        def featured(split: Split) -> Split:
            return FeatureSplit(_features(setup, split, head, heartbeat), split)

        setup.dataset = replace(
            dataset,
            train=featured(dataset.train),
            validation=featured(dataset.validation) if dataset.validation else None,
            test=featured(dataset.test),
        )
    finally:
        setup.model.train(was_training)
    setup.normalize, setup.transforms = Normalizer(Normalization.none(0), setup.device), ()
    setup.forward = nn.Sequential(*dropout_before(network, path), head)
    return ""


def _features(setup: Setup, split: Split, head: nn.Module, heartbeat: Callable[[], None]) -> Tensor:
    """Return the features of all images of a split, (N, D), in batches of the size that training uses."""
    parts: list[Tensor] = []
    with _inputs_of(head) as inputs:
        for images, _ in split.batches(torch.arange(len(split)), setup.config.data.batch_size):
            _forward(setup, images)
            parts.append(inputs.pop())
            heartbeat()
    return torch.cat(parts)


def _is_last(setup: Setup, head: nn.Module) -> bool:
    """Return whether the logits are the output of `head` for its input."""
    split = setup.dataset.train
    images, _ = next(split.batches(torch.arange(min(2, len(split))), 2))
    with _inputs_of(head) as inputs:
        logits = _forward(setup, images)
    with setup.autocast():
        return torch.equal(head(inputs.pop()), logits)


def _forward(setup: Setup, images: Tensor) -> Tensor:
    for transform in setup.transforms:
        images = transform(images)
    with setup.autocast():
        logits: Tensor = setup.model(images)
    return logits


@contextmanager
def _inputs_of(module: nn.Module) -> Iterator[list[Tensor]]:
    """Gather the inputs of a module during the body of the `with` statement."""
    inputs: list[Tensor] = []
    handle = module.register_forward_pre_hook(lambda _, arguments: inputs.append(arguments[0].detach()))
    try:
        yield inputs
    finally:
        handle.remove()
