"""Read the state of the GPUs of this machine from NVIDIA's driver."""

import ctypes
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from itertools import takewhile
from types import ModuleType
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from tuitrain.machine.users import GpuUser, gpu_user
from tuitrain.text import plain

# The reasons why a GPU slows its clock, by NVML's bits. Other reasons, such as an idle GPU, need no attention.
THROTTLING = {
    0x4: "power limit",
    0x8: "hardware",
    0x20: "temperature",
    0x40: "temperature",
    0x80: "power brake",
}
# NVML's codes of failures that a user can do something about.
PROBLEMS = {
    4: "The NVIDIA driver refuses to answer this user. Ask the administrator for access to /dev/nvidia*.",
    9: "The NVIDIA driver is not loaded. Load it with modprobe nvidia, or restart the machine.",
    12: "No NVIDIA driver is installed, or this container has no access to it. Start Docker with --gpus all.",
    15: "The GPU does not answer. Look for Xid in dmesg, and restart the machine.",
    16: "The GPU must be reset. Run nvidia-smi --gpu-reset, or restart the machine.",
    18: "The NVIDIA driver was updated. Restart the machine, or reload the driver.",
}


class Gpu(Struct, frozen=True):
    """A GPU, or a MIG instance of one. A value is None if the driver does not know it.

    `use` is the share of the last second in which a kernel ran, memory is in bytes, temperature in degrees Celsius,
    power in watts and clocks in MHz. `problem` is the reason if the GPU does not answer. `visible` tells whether
    `CUDA_VISIBLE_DEVICES` lets runs use it.
    """

    index: int
    name: str = ""
    uuid: str = ""
    visible: bool = True
    problem: str = ""
    use: float | None = None
    memory: int | None = None
    total_memory: int | None = None
    temperature: int | None = None
    power: float | None = None
    power_limit: float | None = None
    clock: int | None = None
    max_clock: int | None = None
    throttling: tuple[str, ...] = ()
    users: tuple[GpuUser, ...] = ()
    instances: "tuple[Gpu, ...]" = ()


class Gpus(Struct, frozen=True):
    """All GPUs, or the `problem` that prevents reading them."""

    devices: tuple[Gpu, ...] = ()
    driver: str = ""
    problem: str = ""


def driver_installed() -> bool:
    """Return whether NVML can be loaded, without the 0.2 seconds that importing its Python library takes."""
    try:
        ctypes.CDLL("libnvidia-ml.so.1")
    except OSError:
        return False
    return True


class GpuReader:
    """Reads the GPUs, which takes some milliseconds."""

    def __init__(self) -> None:
        self._nvml: ModuleType | None = None

    def read(self, runs: Mapping[int, str] | None = None) -> Gpus:
        """Return the state of all GPUs; never raises. `runs` holds the names of the active runs by process id."""
        if not driver_installed():
            return Gpus(problem=PROBLEMS[12])
        import pynvml

        try:
            if self._nvml is None:
                pynvml.nvmlInit()
                self._nvml = pynvml
            count = pynvml.nvmlDeviceGetCount()
        except pynvml.NVMLError as error:
            self._nvml = None
            return Gpus(problem=_problem(error))
        driver = plain(_ask(pynvml.nvmlSystemGetDriverVersion) or "", 40)
        devices = tuple(_gpu(pynvml, index, runs or {}) for index in range(count))
        return Gpus(devices, driver, "" if devices else "The NVIDIA driver finds no GPU.")


def usable_gpus(gpus: Gpus) -> dict[str, Gpu]:
    """Return the GPUs that runs may use by torch's names, `cuda:0` and so on. They have the order of
    `CUDA_VISIBLE_DEVICES`, which ends at the first unknown name; without it, the driver's."""
    allowed = os.environ.get("CUDA_VISIBLE_DEVICES")
    found = list(gpus.devices)
    if allowed is not None:
        by_name = [[gpu for gpu in gpus.devices if _has_name(gpu, name.strip())] for name in allowed.split(",")]
        found = [matching[0] for matching in takewhile(bool, by_name)]
    return {f"cuda:{number}": gpu for number, gpu in enumerate(found) if not gpu.problem}


def _has_name(gpu: Gpu, name: str) -> bool:
    return name == str(gpu.index) or (
        len(name) > 4 and any(part.uuid.startswith(name) for part in (gpu, *gpu.instances))
    )


def _gpu(nvml: Any, index: int, runs: Mapping[int, str]) -> Gpu:
    try:
        handle = nvml.nvmlDeviceGetHandleByIndex(index)
        # A lost GPU has a handle, but answers no question. Others may lack memory of their own.
        with suppress(nvml.NVMLError_NotSupported):
            nvml.nvmlDeviceGetMemoryInfo(handle)
    except nvml.NVMLError as error:
        return Gpu(index, problem=_problem(error))
    gpu = _described(nvml, index, handle, runs)
    instances = tuple(_instances(nvml, gpu, handle, runs))
    if not instances:
        return gpu
    return replace(gpu, users=(), instances=instances, visible=any(instance.visible for instance in instances))


def _described(nvml: Any, index: int, handle: Any, runs: Mapping[int, str]) -> Gpu:
    uuid = plain(_ask(nvml.nvmlDeviceGetUUID, handle) or "", 80)
    memory = _ask(nvml.nvmlDeviceGetMemoryInfo, handle)
    use = _ask(nvml.nvmlDeviceGetUtilizationRates, handle)
    reasons = _ask(nvml.nvmlDeviceGetCurrentClocksThrottleReasons, handle) or 0
    return Gpu(
        index,
        plain(_ask(nvml.nvmlDeviceGetName, handle) or "", 60),
        uuid,
        _visible(str(index), uuid),
        use=use.gpu / 100 if use else None,
        memory=memory.used if memory else None,
        total_memory=memory.total if memory else None,
        temperature=_ask(nvml.nvmlDeviceGetTemperature, handle, nvml.NVML_TEMPERATURE_GPU),
        power=_watts(_ask(nvml.nvmlDeviceGetPowerUsage, handle)),
        power_limit=_watts(_ask(nvml.nvmlDeviceGetEnforcedPowerLimit, handle)),
        clock=_ask(nvml.nvmlDeviceGetClockInfo, handle, nvml.NVML_CLOCK_SM),
        max_clock=_ask(nvml.nvmlDeviceGetMaxClockInfo, handle, nvml.NVML_CLOCK_SM),
        throttling=tuple(dict.fromkeys(text for bit, text in THROTTLING.items() if reasons & bit)),
        users=tuple(_users(nvml, handle, runs)),
    )


def _instances(nvml: Any, gpu: Gpu, handle: Any, runs: Mapping[int, str]) -> Iterator[Gpu]:
    """Yield the MIG instances of a GPU. Their index is their place, and places may be empty."""
    modes = _ask(nvml.nvmlDeviceGetMigMode, handle)
    if not modes or not modes[0]:
        return
    for place in range(_ask(nvml.nvmlDeviceGetMaxMigDeviceCount, handle) or 0):
        instance = _ask(nvml.nvmlDeviceGetMigDeviceHandleByIndex, handle, place)
        if instance is not None:
            found = _described(nvml, place, instance, runs)
            yield replace(found, visible=gpu.visible or _visible(f"{gpu.index}:{place}", found.uuid))


def _users(nvml: Any, handle: Any, runs: Mapping[int, str]) -> Iterator[GpuUser]:
    memory: dict[int, int | None] = {}
    for ask in (nvml.nvmlDeviceGetComputeRunningProcesses, nvml.nvmlDeviceGetMPSComputeRunningProcesses):
        memory |= {process.pid: process.usedGpuMemory for process in _ask(ask, handle) or ()}
    for pid, used in memory.items():
        yield gpu_user(pid, used, runs.get(pid, ""))


def _visible(index: str, uuid: str) -> bool:
    """Return whether `CUDA_VISIBLE_DEVICES`, if it is set, names the GPU by its index or the beginning of its UUID."""
    names = os.environ.get("CUDA_VISIBLE_DEVICES")
    if names is None:
        return True
    return any(name == index or (len(name) > 4 and uuid.startswith(name)) for name in names.replace(" ", "").split(","))


def _watts(milliwatts: int | None) -> float | None:
    return None if milliwatts is None else milliwatts / 1000


def _ask(call: Callable[..., Any], *given: Any) -> Any:
    """Return the driver's answer, None if it has none for this GPU."""
    import pynvml

    try:
        return call(*given)
    except pynvml.NVMLError:
        return None


def _problem(error: Any) -> str:
    return PROBLEMS.get(error.value, f"The NVIDIA driver answers: {plain(error, 100)}.")
