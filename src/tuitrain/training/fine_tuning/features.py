"""Compute the features of a frozen backbone once, and train the classifier on them.

The features of an image are the input of the classifier. They stay the same in every epoch if nothing random changes
the image and the backbone does not train, so that an epoch takes milliseconds instead of minutes.
"""

from collections.abc import Sequence
from dataclasses import replace
from time import monotonic

import torch
from torch import Tensor, nn

from tuitrain.analysis import units
from tuitrain.config.code import is_spec
from tuitrain.config.schema import Config
from tuitrain.training.data.feature_split import FeatureSplit
from tuitrain.training.data.normalize import Normalization, Normalizer
from tuitrain.training.data.splits import Split
from tuitrain.training.device import fits_in_memory
from tuitrain.training.evaluation.evaluate import batch_size
from tuitrain.training.fine_tuning.feature_cache import FeatureCache, Report
from tuitrain.training.fine_tuning.freeze import dropout_before
from tuitrain.training.fine_tuning.head import head_names, inputs_of, network_in
from tuitrain.training.setup import Setup


def compute_features(setup: Setup, report: Report) -> list[str]:
    """Replace the images of all splits by their features, and `setup.forward` by the classifier, unless something
    prevents it. Return sentences for the log. `report` receives the current activity after every batch."""
    was_training = setup.model.training
    setup.model.eval()
    try:
        with torch.no_grad():
            if reason := obstacle(setup):
                return [f"features are computed in each epoch: {reason}"]
            cache, began = FeatureCache(setup, report), monotonic()
            _replace_images(setup, cache, report)
    finally:
        setup.model.train(was_training)
    network = network_in(setup.model)
    (path,) = head_names(network)
    setup.normalize, setup.transforms = Normalizer(Normalization.none(0), setup.device), ()
    setup.forward = nn.Sequential(*dropout_before(network, path), network.get_submodule(path))
    counts = (("read from the cache", cache.read), ("computed", cache.computed))
    found = ", ".join(f"of {count:,} images {what}" for what, count in counts if count)
    spent = f" in {units.duration(monotonic() - began)}, which is not counted as training time"
    return [
        "the features of the frozen backbone are computed once for all epochs",
        f"features {found}{spent}",
        *cache.notes,
    ]


def obstacle(setup: Setup) -> str:
    """Return the reason why the features of this run cannot be computed once, or an empty string."""
    heads = _classifiers(setup)
    if found := _obstacle_in(setup.config) or _obstacle_in_network(heads):
        return found
    (head,) = heads
    assert isinstance(head, nn.Linear)
    if not fits_in_memory(4 * head.in_features * sum(map(len, _splits(setup).values())), setup.device):
        return "they take more than half of the free memory"
    return "" if _is_last(setup, head) else "the network changes the output of its classifier"


def _obstacle_in(config: Config) -> str:
    reasons = {
        "layers before the classifier train": config.finetune.freeze != "backbone",
        "data.augment changes the images at random": bool(config.data.augment),
        "data.transform may change the images at random": config.data.transform is not None,
        "the code of the network or data set may change images at random": is_spec(config.model.name)
        or is_spec(config.data.dataset),
    }
    return next((reason for reason, present in reasons.items() if present), "")


def _obstacle_in_network(heads: Sequence[nn.Module]) -> str:
    single = len(heads) == 1 and isinstance(heads[0], nn.Linear)
    return "" if single else "the network has several classifiers"


def computes_features_once(setup: Setup) -> bool:
    """Return whether nothing in the configuration and the network prevents computing the features once. The free memory
    may still prevent it."""
    return not (_obstacle_in(setup.config) or _obstacle_in_network(_classifiers(setup)))


def _classifiers(setup: Setup) -> list[nn.Module]:
    network = network_in(setup.model)
    return [network.get_submodule(path) for path in head_names(network)]


def _splits(setup: Setup) -> dict[str, Split]:
    dataset = setup.dataset
    splits = {"train": dataset.train, "validation": dataset.validation, "test": dataset.test}
    return {name: split for name, split in splits.items() if split is not None}


def _replace_images(setup: Setup, cache: FeatureCache, report: Report) -> None:
    (head,) = _classifiers(setup)
    replaced: dict[str, Split] = {}
    for name, split in _splits(setup).items():
        features = cache.features(split, lambda split=split: _features(setup, split, head, report))  # type: ignore[misc]
        replaced[name] = FeatureSplit(features, split)
    setup.dataset = replace(
        setup.dataset, train=replaced["train"], validation=replaced.get("validation"), test=replaced["test"]
    )


def _features(setup: Setup, split: Split, head: nn.Module, report: Report) -> Tensor:
    """Return the features of all images of a split, (N, D). The size of the batches, which may change the last bits,
    does not depend on the settings, so that all runs can share the features."""
    found, done = torch.empty(0), 0
    with inputs_of(head) as inputs:
        for images, _ in split.batches(torch.arange(len(split)), batch_size(split, setup.dataset.shape)):
            _forward(setup, images)
            batch = inputs.pop()
            if not done:
                found = batch.new_empty((len(split), *batch.shape[1:]))
            found[done : done + len(batch)] = batch
            done += len(batch)
            report(f"computing features: {done:,} of {len(split):,} images")
    return found


def _is_last(setup: Setup, head: nn.Module) -> bool:
    """Return whether the logits are the output of `head` for its input."""
    split = setup.dataset.train
    images, _ = next(split.batches(torch.arange(min(2, len(split))), 2))
    with inputs_of(head) as inputs:
        logits = _forward(setup, images)
    with setup.autocast():
        return torch.equal(head(inputs.pop()), logits)


def _forward(setup: Setup, images: Tensor) -> Tensor:
    for transform in setup.transforms:
        images = transform(images)
    with setup.autocast():
        logits: Tensor = setup.model(images)
    return logits
