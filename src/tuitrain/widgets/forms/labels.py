"""Labels of the settings in the form, and why it hides some of them."""

from collections.abc import Mapping

from tuitrain.config.conditions import CONDITIONS, PRETRAINED, unused_because
from tuitrain.config.formatting import format_value
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

# Settings that are of use for pretrained weights alone.
_ADVISED = dict.fromkeys(("finetune.freeze", "finetune.freeze_epochs"), PRETRAINED)
# The keys of the settings that the form may hide.
HIDEABLE = CONDITIONS.keys() | _ADVISED.keys()


def label(key: str) -> str:
    return LABELS.get(key, key.rpartition(".")[2].replace("_", " "))


def unused_reason(key: str, texts: Mapping[str, str]) -> str:
    """Return why a setting does not matter for a form with `texts` by key; empty if it does."""
    advised = _ADVISED.get(key)
    return unused_because(key, texts) or ("" if advised is None or advised(texts) else advised.reason(texts))


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
