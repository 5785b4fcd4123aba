"""Map the tags and hyperparameters of other tools to tuitrain's columns and settings; see docs/other-tools.md.

A tag is split into words, so that `Loss/train`, `train_loss` and `train/loss` are the same. The words left without
names of splits and frequencies (`FREQUENCIES`) must name a metric.
"""

import re
from collections.abc import Collection
from typing import NamedTuple

from tuitrain.config.settings import settings

SPLITS = {
    "train": ("train", "training"),
    "validation": ("validation", "val", "valid", "eval", "evaluation", "dev"),
    "test": ("test", "testing"),
}
METRICS = {
    "loss": ("loss", "cross entropy", "cross entropy loss", "nll loss"),
    "accuracy": ("accuracy", "acc", "top1", "acc1", "top1 acc", "top1 accuracy", "acc top1", "accuracy top1", "acc@1",
                 "sparse categorical accuracy", "categorical accuracy",
                 "binary accuracy", "multiclass accuracy"),
    "lr": ("lr", "learning rate", "lr sgd", "lr adam", "lr adamw", "lr sgd pg1", "lr adam pg1", "lr adamw pg1",
           "lr pg0"),
    "grad_norm": ("grad norm", "gradient norm", "grad 2.0 norm total"),
    "epoch": ("epoch",),
}  # fmt: skip
# Names whose split none of their words says. Ultralytics names the metrics of validation so.
NAMED = {"metrics accuracy top1": ("validation", "accuracy")}
FREQUENCIES = ("epoch", "step")
# The names of hyperparameters by setting, split into words like tags. Setting keys themselves match, too.
HPARAMS = {
    "optimizer.lr": ("lr", "lr0", "learning rate", "base lr", "init lr", "initial lr"),
    "optimizer.name": ("optimizer", "optim", "opt", "optimizer name"),
    "optimizer.momentum": ("momentum",),
    "optimizer.weight_decay": ("weight decay", "wd"),
    "data.batch_size": ("batch size", "bs", "batch", "train batch size", "per device train batch size"),
    "data.dataset": ("dataset", "data set", "dataset name"),
    "model.name": ("model", "arch", "architecture", "model name", "net", "network"),
    "model.activation": ("activation", "activation fn", "act"),
    "model.dropout": ("dropout", "drop", "dropout rate", "p dropout"),
    "schedule.name": ("scheduler", "sched", "lr scheduler", "lr scheduler type", "schedule"),
    "training.epochs": ("epochs", "max epochs", "num epochs", "num train epochs", "n epochs"),
    "training.seed": ("seed", "random seed"),
}
# Subfolders into which Keras and other tools write the splits of a run.
PARTS = {word: split for split, words in SPLITS.items() for word in words}

_WORD = re.compile(r"[/_\-\s]+")
_METRICS = {name: column for column, names in METRICS.items() for name in names}
_SETTINGS = {name: key for key, names in HPARAMS.items() for name in names}


class Place(NamedTuple):
    """The split and column of a tag. Of several tags for the same column, the one with the lowest `rank` wins."""

    split: str
    column: str
    rank: int


def place(tag: str, part: str, declared: str | None = None) -> Place | None:
    """Return the split and column of a tag, or None if there is none. `part` is the split of the subfolder, or
    empty. A `declared` column goes before all others."""
    words = _words(tag)
    if (named := NAMED.get(" ".join(words))) is not None:
        return Place(*named, 10 * len(words))
    splits = [PARTS[word] for word in words if word in PARTS]
    metric = [word for word in words if word not in PARTS]
    often = next((word for word in metric if word in FREQUENCIES and len(metric) > 1), "")
    if often:
        metric.remove(often)
    column = _METRICS.get(" ".join(metric))
    split = splits[0] if splits else part or "train"
    if declared is not None:
        return Place(split, declared, -1)
    if column is None or len(set(splits)) > 1:
        return None
    if column in ("lr", "grad_norm", "epoch"):
        split = "train" if column != "epoch" else split
    # Prefer tags with few words, then values per step for training and per epoch for evaluations.
    count = len(words) + bool(part)
    preferred = "step" if split == "train" else "epoch"
    return Place(split, column, 10 * count + 2 * bool(part) + (often not in ("", preferred)))


def steps_are_epochs(tags: Collection[str]) -> bool:
    """Return whether the steps of these tags are epochs, counted from 0: so does Keras for `epoch_loss`."""
    return bool(tags) and all(tag.startswith("epoch_") for tag in tags)


def setting(name: str) -> str | None:
    """Return the key of the setting that a hyperparameter corresponds to, or None."""
    if name in settings():
        return name
    return _SETTINGS.get(" ".join(_words(name.rpartition("/")[2])))


def _words(text: str) -> list[str]:
    return [word for word in _WORD.split(text.lower()) if word]
