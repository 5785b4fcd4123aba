"""Choose the device, set up torch for training on it, and manage its memory."""

import gc
import os
import platform
from contextlib import suppress

import psutil
import torch

from tuitrain.config.schema import Config
from tuitrain.errors import ConfigError
from tuitrain.runs.process import available_cores
from tuitrain.text import counted
from tuitrain.training.gpus import choose_gpu, hold_gpu


def free_memory(device: torch.device) -> int:
    """Return the bytes that torch can allocate on the device."""
    if device.type == "cuda":
        cached = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(torch.cuda.mem_get_info(device)[0] + cached)
    return int(psutil.virtual_memory().available)


def fits_in_memory(size: int, device: torch.device, free: int | None = None) -> bool:
    """Return whether `size` bytes take less than half of the free memory of the device, which is `free` if that is
    known. Training needs the rest."""
    return size < (free_memory(device) if free is None else free) / 2


def choose_device(name: str, *, hold: bool = False) -> torch.device:
    """Return the device that `training.device` names. With `hold`, other runs that may choose avoid a GPU until this
    process releases it. Raises ConfigError if torch does not see the device."""
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda", choose_gpu(hold=hold))
        name = "mps" if torch.backends.mps.is_available() else "cpu"
    device = torch.device(name)
    if device.type == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if (device.index or 0) >= count:
            available = f"sees {counted(count, 'CUDA device')}" if count else "sees no CUDA device"
            hint = "Use auto, cpu or a smaller number." if count else "Use auto or cpu."
            raise ConfigError(f"training.device = {name}: torch {available}.", hint, key="training.device")
        index = device.index if device.index is not None else torch.cuda.current_device()
        if hold:
            hold_gpu(index)
        return torch.device("cuda", index)
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise ConfigError("training.device = mps: torch sees no MPS device.", "Use auto or cpu.", key="training.device")
    return device


def configure_torch(config: Config, device: torch.device) -> int:
    """Set up the calling thread, which must be the one that trains. Return its number of CPU threads."""
    # One core stays free: two threads on two cores that also run other processes are three times slower than one.
    threads = config.training.threads or max(1, min(4, available_cores() - 1))
    torch.set_num_threads(threads)
    # Constant pixels fill Adam's moments with denormal numbers, which make a step up to 1.8 times slower.
    torch.set_flush_denormal(True)
    if device.type == "cuda":
        # Streams and events are created on the current device.
        torch.cuda.set_device(device)
        # cuBLAS reads this once, at the first matrix product; a later run in this process may be deterministic.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    deterministic = config.training.deterministic
    # The same as torch.use_deterministic_algorithms, which imports the compiler: seconds of work.
    torch.set_deterministic_debug_mode("error" if deterministic else "default")
    torch.backends.cudnn.benchmark = device.type == "cuda" and not deterministic
    return threads


def release_memory() -> None:
    """Return unused GPU memory to the driver, for other processes."""
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        gc.collect()
        # In older releases of torch this fails after a failed graph capture.
        with suppress(RuntimeError):
            torch.cuda.empty_cache()


def describe_device(device: torch.device) -> str:
    """Return the device and its hardware, such as "cuda:0 NVIDIA H100"."""
    if device.type == "cuda":
        return f"{device} {torch.cuda.get_device_name(device)}"
    return f"{device} {platform.processor() or platform.machine()}"


def memory_in_use(device: torch.device) -> int:
    """Return bytes: the GPU memory that torch has reserved, or the resident memory of this process."""
    if device.type == "cuda":
        return int(torch.cuda.memory_reserved(device))
    return int(psutil.Process().memory_info().rss)
