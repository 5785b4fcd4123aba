"""The conditions under which a run uses a setting: `model.hidden` only with the mlp, for example."""

from collections.abc import Mapping
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any, NamedTuple, Optional

from tuitrain.config.data.photo_datasets import PHOTO_DATASETS
from tuitrain.config.formatting import format_value
from tuitrain.config.networks import WITH_RELU
from tuitrain.config.schema import Config
from tuitrain.config.values import flatten

# In a condition, any FILE.py:NAME.
OWN = "*.py:*"
NONE = ("none", "")


class Condition(NamedTuple):
    """The condition that the setting `key` has one of `values`, or with `negated` none of them. A value may be a
    pattern such as `timm/*`. `otherwise` is a condition that suffices, too, and `words` say when the setting applies.
    """

    key: str
    values: tuple[str, ...]
    negated: bool = False
    otherwise: Optional["Condition"] = None
    words: str = ""

    def __call__(self, settings: Mapping[str, Any]) -> bool:
        """Return whether the condition holds for `settings`, values or texts of a form by dotted key. Of several values
        in a text, one suffices."""
        for word in _words(settings[self.key]):
            if any(fnmatchcase(word, value) for value in self.values) != self.negated:
                return True
        return self.otherwise is not None and self.otherwise(settings)

    def reason(self, settings: Mapping[str, Any]) -> str:
        if self.key == "data.dataset" and settings[self.key] == "digits":
            return "ignored: digits is built in"
        return self.words or f"{'not ' * self.negated}for {', '.join(self.values)}".replace(OWN, "FILE.py:NAME")


def _words(value: Any) -> list[str]:
    if isinstance(value, tuple):
        return list(map(str, value)) or [""]
    return [word.strip() for word in (value if isinstance(value, str) else format_value(value)).split(",")]


_NOT_DIGITS = Condition("data.dataset", ("digits",), negated=True)
_FOLDER = Condition("data.dataset", ("image-folder",))
_FILES = Condition("data.dataset", ("image-folder", *PHOTO_DATASETS), words="for data sets of photos")
_OWN_NETWORKS = Condition("model.name", ("mlp", "cnn"))
PRETRAINED = Condition("model.weights", NONE, negated=True, words="for pretrained weights")
_TRAINS_ALL = Condition("finetune.freeze", ("backbone",), negated=True, words="ignored: the backbone is frozen")
_MOMENTS = Condition("optimizer.name", ("adam", "adamw", "nadam", "radam", "muon"))
_DECAY = Condition("optimizer.weight_decay", ("0",), negated=True, words="for weight decay")
_NO_FOLD = "ignored: a fold is held out"
_PLATEAU = Condition("schedule.name", ("plateau",))

_AUGMENTED = {
    "data.crop_scale": "random-resized-crop",
    "data.rotate_degrees": "rotate",
    "data.color_strength": "color",
    "data.randaugment_magnitude": "randaugment",
    "data.erase_probability": "erase",
    "data.mixup_alpha": "mixup",
    "data.cutmix_alpha": "cutmix",
}

# All conditions of a setting must hold.
CONDITIONS: dict[str, tuple[Condition, ...]] = {
    **{key: (Condition("data.augment", (name,)),) for key, name in _AUGMENTED.items()},
    "data.dir": (_NOT_DIGITS,),
    "data.layout": (_FOLDER,),
    "data.labels": (_FOLDER,),
    "data.group": (_FOLDER,),
    "data.exclude": (_FOLDER,),
    "data.split_by": (_FOLDER,),
    "data.validation": (
        Condition("data.fold", NONE, words=_NO_FOLD),
        Condition("training.folds", NONE, words=_NO_FOLD),
    ),
    "data.image_size": (Condition("data.dataset", (OWN,), negated=True),),
    "data.resize_builtin": (
        Condition("data.dataset", (OWN, *_FILES.values), negated=True, words="for built-in data sets"),
    ),
    "data.resize": (_FILES,),
    "data.channels": (_FILES,),
    "data.value_range": (_FILES,),
    "data.storage": (Condition("data.dataset", (*_FILES.values, OWN), words=_FILES.words),),
    "data.cache_gb": (_FILES,),
    "data.workers": (_FILES,),
    "model.args": (Condition("model.name", (OWN,)),),
    "model.hidden": (Condition("model.name", ("mlp",)),),
    "model.channels": (Condition("model.name", ("cnn",)),),
    "model.convolutions": (Condition("model.name", ("cnn",)),),
    "model.activation": (
        Condition("model.name", WITH_RELU, words="for mlp, cnn and torchvision's networks with ReLU"),
        Condition("model.weights", NONE, otherwise=_OWN_NETWORKS, words="ignored: as in the pretrained network"),
    ),
    "model.dropout": (Condition("model.name", ("mlp", "cnn", "timm/*")),),
    "model.batch_norm": (_OWN_NETWORKS,),
    "finetune.freeze_epochs": (_TRAINS_ALL,),
    "finetune.layer_decay": (_TRAINS_ALL,),
    "finetune.freeze_norms": (PRETRAINED,),
    "optimizer.momentum": (Condition("optimizer.name", ("sgd", "rmsprop", "muon")),),
    "optimizer.nesterov": (Condition("optimizer.name", ("sgd", "muon")),),
    "optimizer.decay_norms": (_DECAY,),
    "optimizer.beta1": (_MOMENTS,),
    "optimizer.beta2": (_MOMENTS,),
    "schedule.every": (Condition("schedule.name", ("step",)),),
    "schedule.gamma": (Condition("schedule.name", ("step", "plateau")),),
    "schedule.patience": (_PLATEAU,),
    "schedule.final": (Condition("schedule.name", ("exponential", "cosine", "one-cycle")),),
    "training.min_delta": (
        Condition("training.patience", NONE, negated=True, otherwise=_PLATEAU, words="for early stopping and plateau"),
    ),
}


def unused_because(key: str, settings: Mapping[str, Any]) -> str:
    """Return why a run with `settings` ignores the setting `key`; empty if it uses it."""
    return next((each.reason(settings) for each in CONDITIONS.get(key, ()) if not each(settings)), "")


def unused_keys(settings: Mapping[str, Any]) -> frozenset[str]:
    """Return the keys of the settings that a run with `settings`, by dotted key, ignores."""
    return frozenset(key for key, needed in CONDITIONS.items() if not all(each(settings) for each in needed))


@lru_cache(maxsize=10_000)
def unused(config: Config) -> frozenset[str]:
    """Return the keys of the settings that a run ignores."""
    return unused_keys(flatten(config))


def used_settings(config: Config) -> dict[str, Any]:
    """Return the values that a run uses, by dotted key, in the order of their declaration."""
    ignored = unused(config)
    return {key: value for key, value in flatten(config).items() if key not in ignored}
