"""Explain a lack of memory: how much was missing, and with which settings the run fits."""

import re
from typing import Any

import psutil
import torch

from tuitrain.config.formatting import format_value
from tuitrain.text import size
from tuitrain.training.device import free_memory
from tuitrain.training.setup import Setup

# Parts of the messages by which allocators and libraries report a lack of memory in a plain RuntimeError.
MESSAGES = ("out of memory", "can't allocate memory", "not enough memory", "_STATUS_ALLOC_FAILED")
_UNITS = {"": 1, "B": 1, "bytes": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}
_AMOUNT = r"([\d.]+) ?(bytes|B|KiB|MiB|GiB|TiB)"
_WANTED = re.compile(rf"[Tt]ried to allocate {_AMOUNT}")
_FREE = re.compile(rf"of which {_AMOUNT} is free")
_ADVICE = (
    "Try a smaller data.batch_size with optimizer.accumulate, training.precision=bf16 or training.checkpointing=true."
)


def is_out_of_memory(error: BaseException) -> bool:
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(message in str(error) for message in MESSAGES)


def explain(error: BaseException, setup: Setup | None, fitting: dict[str, Any]) -> str:
    """Return a sentence on what was missing, and one on what to do about it."""
    where = str(setup.device) if setup else "the device"
    wanted, free = (_amount(pattern, str(error)) for pattern in (_WANTED, _FREE))
    if free is None and setup is not None:
        free = free_memory(setup.device)
    missing = f": {size(wanted)} more were needed, and {size(free or 0)} were free" if wanted else ""
    if not fitting:
        return f"Out of memory on {where}{missing}. {_ADVICE}"
    changes = " ".join(f"{key}={format_value(value)}" for key, value in fitting.items())
    return f"Out of memory on {where}{missing}. It should fit with {changes}."


def _amount(pattern: re.Pattern[str], message: str) -> float | None:
    found = pattern.search(message)
    return float(found[1]) * _UNITS[found[2]] if found else None


def fitting_settings(setup: Setup) -> dict[str, Any]:
    """Return settings by key with which a run fits that has run out of memory; empty if they are unknown. A step has
    as many images as before. Takes seconds."""
    from tuitrain.training.estimate.batch import estimator, settings_that_fit, within_epoch

    dataset, device = setup.dataset, setup.device
    splits = (dataset.train, dataset.validation, dataset.test)
    images = sum(len(split) for split in splits if split is not None)
    try:
        estimate = estimator(dataset.shape, len(dataset.classes), images, device, _free_without(device))
        return settings_that_fit(within_epoch(setup.config, len(dataset.train)), estimate)
    except (Exception, SystemExit):  # Without memory, or for a user's network, anything may fail.
        return {}


def _free_without(device: torch.device) -> int:
    """Return the bytes that are free once this process has ended."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0] + torch.cuda.memory_reserved(device))
    return free_memory(device) + int(psutil.Process().memory_info().rss)
