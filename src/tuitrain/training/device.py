"""Where the tensors are, and how many threads compute."""

import gc
import os
import platform
from contextlib import suppress

import psutil
import torch

from tuitrain.config.schema import Config
from tuitrain.errors import ConfigError


def choose_device(name: str) -> torch.device:
    """The device that `training.device` names. Raises ConfigError where this machine has no such device."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    device = torch.device(name)
    if device.type == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if (device.index or 0) >= count:
            seen = f"sees {count} CUDA device{'s' * (count != 1)}" if count else "sees no CUDA device"
            hint = "Use auto, cpu or a smaller number." if count else "Use auto or cpu."
            raise ConfigError(f"training.device = {name}: torch {seen}.", hint, key="training.device")
        return torch.device("cuda", device.index if device.index is not None else torch.cuda.current_device())
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise ConfigError("training.device = mps: this machine has none.", "Use auto or cpu.", key="training.device")
    return device


def configure_torch(config: Config, device: torch.device) -> int:
    """Prepare the calling thread, which must be the one that trains; returns its number of CPU threads."""
    # A thread a core is the worst choice beside anything else that runs: two on two busy cores are three times slower.
    threads = config.training.threads or max(1, min(4, _cores() - 1))
    torch.set_num_threads(threads)
    # Adam's moments fill with denormal numbers on images with constant pixels, and cost up to 1.8 times the step.
    torch.set_flush_denormal(True)
    if device.type == "cuda":
        # Streams and events are the current device's.
        torch.cuda.set_device(device)
        # A process looks at it once, with its first matrix product, and a later run may be a deterministic one.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    deterministic = config.training.deterministic
    # As torch.use_deterministic_algorithms, which loads the compiler for it: seconds of work.
    torch.set_deterministic_debug_mode("error" if deterministic else "default")
    torch.backends.cudnn.benchmark = device.type == "cuda" and not deterministic
    return threads


def release_memory() -> None:
    """Give back what no tensor needs any more of the GPU's memory: another process may."""
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        gc.collect()
        # Where torch is older, a graph that could not be captured leaves this broken.
        with suppress(RuntimeError):
            torch.cuda.empty_cache()


def _cores() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1


def describe_device(device: torch.device) -> str:
    if device.type == "cuda":
        return f"{device} {torch.cuda.get_device_name(device)}"
    return f"{device} {platform.processor() or platform.machine()}"


def memory_in_use(device: torch.device) -> int:
    """Bytes: of the device's memory that torch holds, on the CPU of main memory that this process holds."""
    if device.type == "cuda":
        return int(torch.cuda.memory_reserved(device))
    return int(psutil.Process().memory_info().rss)
