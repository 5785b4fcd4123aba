"""What a form calls the settings, shows of their values, and says of when they count."""

from collections.abc import Mapping
from typing import NamedTuple

from tuitrain.config.formatting import format_value
from tuitrain.config.schema import Config
from tuitrain.config.settings import settings
from tuitrain.config.values import changed_settings
from tuitrain.text import plain

LONGEST = 4096

LABELS = {
    "data.dataset": "data set", "data.dir": "folder", "model.name": "network",
    "optimizer.name": "update rule", "optimizer.lr": "learning rate", "optimizer.beta1": "beta 1",
    "optimizer.beta2": "beta 2", "optimizer.clip_norm": "clip norm at", "schedule.name": "shape",
    "schedule.every": "drop every", "schedule.gamma": "drop factor", "schedule.final": "final fraction",
    "training.max_minutes": "minutes at most", "training.checkpoint_every": "checkpoint every",
    "training.threads": "CPU threads",
}  # fmt: skip


class Only(NamedTuple):
    """A setting counts only where `key` has one of `values`."""

    key: str
    values: tuple[str, ...]

    def __call__(self, texts: Mapping[str, str]) -> bool:
        """Of several values one is enough."""
        return any(word.strip() in self.values for word in texts[self.key].split(","))

    def __str__(self) -> str:
        rest = [choice for choice in settings()[self.key].choices if choice not in self.values]
        return f"not {', '.join(rest)}" if len(rest) < 3 else f"{', '.join(self.values)} only"


_FOLDER = Only("data.dataset", ("image-folder",))
_OWN_NETWORKS = Only("model.name", ("mlp", "cnn"))
_MOMENTS = Only("optimizer.name", ("adam", "adamw", "nadam", "radam", "muon"))

APPLIES: dict[str, Only] = {
    "data.dir": Only("data.dataset", tuple(name for name in settings()["data.dataset"].choices if name != "digits")),
    "data.image_size": _FOLDER,
    "data.channels": _FOLDER,
    "data.storage": _FOLDER,
    "data.workers": _FOLDER,
    "model.hidden": Only("model.name", ("mlp",)),
    "model.channels": Only("model.name", ("cnn",)),
    "model.convolutions": Only("model.name", ("cnn",)),
    "model.dropout": _OWN_NETWORKS,
    "model.batch_norm": _OWN_NETWORKS,
    "optimizer.momentum": Only("optimizer.name", ("sgd", "rmsprop", "muon")),
    "optimizer.nesterov": Only("optimizer.name", ("sgd", "muon")),
    "optimizer.beta1": _MOMENTS,
    "optimizer.beta2": _MOMENTS,
    "schedule.every": Only("schedule.name", ("step",)),
    "schedule.gamma": Only("schedule.name", ("step", "plateau")),
    "schedule.patience": Only("schedule.name", ("plateau",)),
    "schedule.final": Only("schedule.name", ("exponential", "cosine", "one-cycle")),
}


def label(key: str) -> str:
    return LABELS.get(key, key.rpartition(".")[2].replace("_", " "))


def shown(value: object) -> str:
    """`value` as a field shows it, and as `parse_value` reads it: a list without its brackets."""
    text = format_value(value)
    return plain(text[1:-1] if isinstance(value, tuple) else text, LONGEST)


def words(config: Config) -> list[str]:
    """In what it differs from the defaults."""
    found = []
    for key, value in changed_settings(config).items():
        if isinstance(value, bool):
            found.append(label(key) if value else f"no {label(key)}")
        else:
            bare = settings()[key].choices and not settings()[key].is_list
            found.append(shown(value) if bare else f"{label(key)} {shown(value)}")
    return found
