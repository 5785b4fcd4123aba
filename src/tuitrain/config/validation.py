"""Check a configuration: each value against its declaration, then the settings against each other."""

import math
from collections.abc import Iterator
from typing import Any

import msgspec

from tuitrain.config.arguments import TABLE, arguments, check_argument, check_table, is_argument
from tuitrain.config.code import is_spec
from tuitrain.config.data.folds import Fold
from tuitrain.config.data.schema import Data
from tuitrain.config.device_list import KEY as DEVICES
from tuitrain.config.device_list import Devices, devices_text
from tuitrain.config.devices import is_distributed
from tuitrain.config.formatting import format_for_message
from tuitrain.config.schema import Config
from tuitrain.config.settings import NODES, Setting, argument_setting, settings
from tuitrain.errors import ConfigError
from tuitrain.text import did_you_mean, plain


def find_setting(key: str) -> Setting:
    """Return the setting with the dotted `key`. Raise ConfigError, with the nearest key as a hint, if it is unknown."""
    if is_argument(key):
        return argument_setting(key)
    setting = settings().get(key)
    if setting is None:
        name, names = key.rpartition(".")[2], [known.partition(".")[2] for known in settings()]
        # The right name in another section is closer than a similar name in this one.
        same = " or ".join(known for known in settings() if known.partition(".")[2] == name)
        hint = f"Did you mean {same}?" if same else did_you_mean(key, settings()) or did_you_mean(name, names)
        hint = hint or "See: tuitrain config"
        raise ConfigError(f"Unknown setting {plain(key, 80)!r}.", hint, key=key)
    return setting


def check_value(setting: Setting | str, value: object) -> Any:
    """Return `value` converted to the type of `setting`, a Setting or the dotted key of one. Raise ConfigError if
    `value` is not allowed."""
    if isinstance(setting, str):
        setting = find_setting(setting)
    # Most values are defaults: a sweep checks each setting of thousands of trials.
    if value is setting.default:
        return value
    if setting.key == TABLE:
        return check_table(value)
    if is_argument(setting.key):
        return check_argument(setting.key, value)
    if setting.optional and (value is None or value in ("none", "")):
        return None
    if isinstance(value, int) and abs(value) >= 2**63:
        raise not_allowed(setting, value)
    if setting.key == DEVICES:
        value = devices_text(value)
    if setting.kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    elements = value if isinstance(value, (list, tuple)) else [value]
    if any(isinstance(element, float) and not math.isfinite(element) for element in elements):
        raise not_allowed(setting, value)
    if isinstance(value, str) and value != plain(value, len(value)):
        raise not_allowed(setting, value)
    try:
        converted = msgspec.convert(value, setting.annotation, strict=True)
    except (msgspec.ValidationError, UnicodeEncodeError, RecursionError):
        raise not_allowed(setting, value) from None
    # msgspec accepts 0 as greater than 0 in a thread that flushes denormal numbers, such as the training thread.
    if isinstance(converted, float) and converted == setting.bounds.gt:
        raise not_allowed(setting, value)
    return converted


def not_allowed(setting: Setting, value: object) -> ConfigError:
    words = [value] if isinstance(value, str) else value if isinstance(value, (list, tuple)) else []
    unknown = [word for word in words if isinstance(word, str) and word not in setting.choices]
    hint = did_you_mean(unknown[0], setting.choices) if unknown and setting.choices else ""
    message = f"{setting.key} = {format_for_message(value)} is not allowed: it must be {setting.allowed}."
    return ConfigError(message, hint, key=setting.key)


def check_combinations(config: Config) -> None:
    """Raise ConfigError if settings that are valid one by one contradict each other."""
    if config.optimizer.nesterov and config.optimizer.momentum == 0:
        raise ConfigError(
            "optimizer.nesterov = true needs a momentum above 0.",
            "Set optimizer.momentum, 0.9 for example.",
            key="optimizer.nesterov",
        )
    if arguments(config.model.args) and not is_spec(config.model.name):
        raise ConfigError(
            f"model.args = {format_for_message(config.model.args)} needs a network of your own, and model.name ="
            f" {config.model.name}.",
            "Set model.name to FILE.py:NAME, or remove [model.args].",
            key="model.args",
        )
    _check_data(config.data)
    if config.optimizer.name == "muon":
        _check_muon(config)
    if is_distributed(config):
        _check_devices(config)
    if config.training.checkpointing:
        _check_checkpointing(config)
    for key, subject in () if has_validation(config) else _uses_of_validation(config):
        raise _needs_validation(subject, key)
    if config.data.fold is not None:
        _check_fold(config)


def _check_data(data: Data) -> None:
    if data.dataset == "image-folder" and data.dir is None:
        raise ConfigError("image-folder needs the folder of your images.", "Set data.dir to it.", key="data.dir")
    span = data.value_range
    if span and not (len(span) == 2 and span[0] < span[1]):
        raise ConfigError(
            f"data.value_range = {format_for_message(span)} needs two numbers, the lower one first.",
            "Set it to 0,4095 for example, or to [].",
            key="data.value_range",
        )


def _check_checkpointing(config: Config) -> None:
    if config.model.name == "mlp":
        raise ConfigError(
            "training.checkpointing = true needs a network of blocks to recompute, and mlp has none.",
            "Set it to false, or choose another network.",
            key="training.checkpointing",
        )
    if config.training.compile:
        raise ConfigError(
            "training.checkpointing and training.compile cannot be combined: the compiler chooses itself what to"
            " recompute.",
            "Set one of them to false.",
            key="training.checkpointing",
        )


def has_validation(config: Config) -> bool:
    """Return whether the run has a validation split: a fraction of the training split, or a fold of it."""
    return config.data.validation > 0 or config.data.fold is not None or config.training.folds is not None


def _check_fold(config: Config) -> None:
    fold = Fold.parse(config.data.fold or "")
    if not fold.valid:
        raise ConfigError(
            f"data.fold = {fold} is not allowed: it must be one of at least 2 folds.",
            "Write 2/5 for the second of five folds.",
            key="data.fold",
        )
    if config.training.folds is not None:
        raise ConfigError(
            f"training.folds = {config.training.folds} trains every fold and needs data.fold = none.",
            "Set one of them to none.",
            key="data.fold",
        )


def _check_devices(config: Config) -> None:
    text, device = config.training.devices or "1", config.training.device
    shared = f"training.nodes = {config.training.nodes}" if config.training.nodes > 1 else f"training.devices = {text}"
    single = {
        "data.batch_size = auto": config.data.batch_size == "auto",
        "training.checkpointing = true": config.training.checkpointing,
        "training.compile = true": config.training.compile,
    }
    for setting in (name for name, present in single.items() if present):
        raise ConfigError(
            f"{setting} needs a single device, and {shared}.",
            "Change one of them.",
            key=setting.partition(" ")[0],
        )
    if device == "mps" and config.training.nodes > 1:
        raise ConfigError(
            f"{shared} needs CUDA devices or the CPU, and training.device = mps.",
            "Set training.device to cpu.",
            key=NODES,
        )
    _check_device_list(text, device)


def _check_device_list(text: str, device: str) -> None:
    devices = Devices.parse(text)
    if len(set(devices.indices)) < len(devices.indices):
        raise ConfigError(f"training.devices = {text} names a device twice.", "List each device once.", key=DEVICES)
    if devices.count == 1:
        return
    if device == "cpu" and (devices.indices or not devices.count):
        raise ConfigError(
            f"training.devices = {text} names GPUs, and training.device = cpu.",
            "Set training.device to auto, or training.devices to a number of processes.",
            key=DEVICES,
        )
    if device == "mps" or device.startswith("cuda:"):
        raise ConfigError(
            f"training.devices = {text} needs several devices, and training.device = {device} is one.",
            "Set training.device to auto.",
            key=DEVICES,
        )


def _check_muon(config: Config) -> None:
    refused = {
        "finetune.layer_decay": config.finetune.layer_decay != 1,
        "finetune.head_lr": config.finetune.head_lr != 1,
        "finetune.freeze": config.finetune.freeze != "none",
        "finetune.freeze_epochs": config.finetune.freeze_epochs > 0,
        "optimizer.decay_norms": not config.optimizer.decay_norms,
    }
    for key, present in refused.items():
        if present:
            raise ConfigError(
                f"{key} cannot be combined with optimizer.name = muon, which groups the parameters itself.",
                "Choose adamw, for example.",
                key=key,
            )


def _uses_of_validation(config: Config) -> Iterator[tuple[str, str]]:
    """Yield the key and a description of each setting that needs a validation split."""
    if config.training.patience is not None:
        yield "training.patience", "training.patience"
    if config.schedule.name == "plateau":
        yield "schedule.name", "schedule.name = plateau"
    if config.training.best != "loss":
        yield "training.best", f"training.best = {config.training.best}"
    if config.evaluation.at_start:
        yield "evaluation.at_start", "evaluation.at_start = true"


def _needs_validation(subject: str, key: str) -> ConfigError:
    return ConfigError(
        f"{subject} needs a validation split, and data.validation = 0.",
        "Set data.validation, 0.1 for example.",
        key=key,
    )
