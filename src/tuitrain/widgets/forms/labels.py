"""Labels of the settings in the form, and the conditions under which they apply."""

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import NamedTuple

from tuitrain.config.formatting import format_value
from tuitrain.config.photo_datasets import PHOTO_DATASETS
from tuitrain.config.schema import Config
from tuitrain.config.settings import settings
from tuitrain.config.values import changed_settings
from tuitrain.text import plain

MAX_TEXT = 4096

LABELS = {
    "data.dataset": "data set", "data.dir": "folder", "model.name": "network",
    "optimizer.name": "optimizer", "optimizer.lr": "learning rate", "optimizer.beta1": "beta 1",
    "optimizer.beta2": "beta 2", "optimizer.clip_norm": "clip norm", "schedule.name": "shape",
    "schedule.every": "drop every", "schedule.gamma": "drop factor", "schedule.final": "final fraction",
    "schedule.patience": "plateau patience", "training.patience": "early stopping", "model.channels": "conv channels",
    "data.channels": "color channels", "training.max_minutes": "max minutes",
    "training.checkpoint_every": "checkpoint after", "training.threads": "CPU threads",
    "data.randaugment_magnitude": "rand magnitude", "data.erase_probability": "erase rate",
    "finetune.head_lr": "head lr factor", "training.ema": "weight average",
}  # fmt: skip


# In a condition, any FILE.py:NAME.
OWN = "*.py:*"


class Condition(NamedTuple):
    """The condition that the setting `key` has one of `values`, or with `negated` none of them, under which another
    setting applies. A value may be a pattern such as `timm/*`."""

    key: str
    values: tuple[str, ...]
    negated: bool = False

    def __call__(self, texts: Mapping[str, str]) -> bool:
        words = [word.strip() for word in texts[self.key].split(",")]
        return any(any(fnmatchcase(word, value) for value in self.values) != self.negated for word in words)

    def reason(self, texts: Mapping[str, str]) -> str:
        if self.key == "data.dataset" and texts[self.key] == "digits":
            return "ignored: digits is built in"
        if len(self.values) > 10:
            return "for data sets of photos"
        if self.key == "model.weights":
            return "for pretrained weights"
        return f"{'not ' * self.negated}for {', '.join(self.values)}".replace(OWN, "FILE.py:NAME")


_NOT_DIGITS = Condition("data.dataset", ("digits",), negated=True)
_FOLDER = Condition("data.dataset", ("image-folder",))
_FILES = Condition("data.dataset", ("image-folder", *PHOTO_DATASETS))
_OWN_NETWORKS = Condition("model.name", ("mlp", "cnn"))
_PRETRAINED = Condition("model.weights", ("none", ""), negated=True)
_MOMENTS = Condition("optimizer.name", ("adam", "adamw", "nadam", "radam", "muon"))

_AUGMENTED = {
    "data.crop_scale": "random-resized-crop",
    "data.rotate_degrees": "rotate",
    "data.color_strength": "color",
    "data.randaugment_magnitude": "randaugment",
    "data.erase_probability": "erase",
    "data.mixup_alpha": "mixup",
    "data.cutmix_alpha": "cutmix",
}

CONDITIONS: dict[str, Condition] = {
    **{key: Condition("data.augment", (name,)) for key, name in _AUGMENTED.items()},
    "data.dir": _NOT_DIGITS,
    "data.layout": _FOLDER,
    "data.labels": _FOLDER,
    "data.group": _FOLDER,
    "data.split_by": _FOLDER,
    "data.image_size": _FILES,
    "data.resize": _FILES,
    "data.channels": _FILES,
    "data.storage": Condition("data.dataset", (*_FILES.values, OWN)),
    "data.workers": _FILES,
    "model.args": Condition("model.name", (OWN,)),
    "model.hidden": Condition("model.name", ("mlp",)),
    "model.channels": Condition("model.name", ("cnn",)),
    "model.convolutions": Condition("model.name", ("cnn",)),
    "model.activation": Condition("model.name", ("timm/*",), negated=True),
    "model.dropout": Condition("model.name", ("mlp", "cnn", "timm/*")),
    "model.batch_norm": _OWN_NETWORKS,
    "finetune.freeze": _PRETRAINED,
    "finetune.freeze_epochs": _PRETRAINED,
    "finetune.freeze_norms": _PRETRAINED,
    "optimizer.momentum": Condition("optimizer.name", ("sgd", "rmsprop", "muon")),
    "optimizer.nesterov": Condition("optimizer.name", ("sgd", "muon")),
    "optimizer.beta1": _MOMENTS,
    "optimizer.beta2": _MOMENTS,
    "schedule.every": Condition("schedule.name", ("step",)),
    "schedule.gamma": Condition("schedule.name", ("step", "plateau")),
    "schedule.patience": Condition("schedule.name", ("plateau",)),
    "schedule.final": Condition("schedule.name", ("exponential", "cosine", "one-cycle")),
}


def label(key: str) -> str:
    return LABELS.get(key, key.rpartition(".")[2].replace("_", " "))


def field_text(value: object) -> str:
    """Format a value as a field shows it; lists have no brackets."""
    text = format_value(value)
    return plain(text[1:-1] if isinstance(value, tuple) else text, MAX_TEXT)


def describe_changes(config: Config) -> list[str]:
    changes = []
    for key, value in changed_settings(config).items():
        if isinstance(value, bool):
            changes.append(label(key) if value else f"no {label(key)}")
        else:
            only_value = settings()[key].choices and not settings()[key].is_list
            changes.append(field_text(value) if only_value else f"{label(key)} {field_text(value)}")
    return changes
