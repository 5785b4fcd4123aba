"""A scripted NVML: it gives the answers of real GPUs, or NVML's errors."""

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pynvml
import pytest

GB = 1_000_000_000


def error(code: int) -> Exception:
    made: Exception = pynvml.NVMLError(code)
    return made


NOT_SUPPORTED = error(pynvml.NVML_ERROR_NOT_SUPPORTED)


@dataclass
class FakeGpu:
    """What the driver answers for a handle; an exception is raised. The defaults are a busy H100's."""

    answers: dict[str, Any] = field(default_factory=dict)
    instances: list["FakeGpu | None"] = field(default_factory=list)

    def __post_init__(self) -> None:
        usual: dict[str, Any] = {
            "Name": "NVIDIA H100 80GB HBM3", "UUID": "GPU-3a1f", "MemoryInfo": memory(61 * GB, 85 * GB),
            "UtilizationRates": SimpleNamespace(gpu=93, memory=41), "Temperature": 71, "PowerUsage": 655_123,
            "EnforcedPowerLimit": 700_000, "ClockInfo": 1410, "MaxClockInfo": 1980,
            "CurrentClocksThrottleReasons": 0x4, "MigMode": [0, 0], "MaxMigDeviceCount": 7,
            "ComputeRunningProcesses": [], "MPSComputeRunningProcesses": [],
        }  # fmt: skip
        self.answers = usual | self.answers


def memory(used: int, total: int) -> SimpleNamespace:
    return SimpleNamespace(used=used, total=total, free=total - used)


def process(pid: int, used: int | None) -> SimpleNamespace:
    return SimpleNamespace(pid=pid, usedGpuMemory=used)


def mig_instance(uuid: str, **answers: Any) -> FakeGpu:
    """A MIG instance has a name, an UUID, memory and processes; it answers nothing else."""
    silent = dict.fromkeys(
        ("UtilizationRates", "Temperature", "PowerUsage", "EnforcedPowerLimit", "ClockInfo", "MaxClockInfo",
         "CurrentClocksThrottleReasons", "MigMode", "MaxMigDeviceCount"), NOT_SUPPORTED,
    )  # fmt: skip
    given = {"Name": "NVIDIA H100 80GB HBM3 MIG 3g.40gb", "UUID": uuid, "MemoryInfo": memory(2 * GB, 42 * GB)}
    return FakeGpu({**silent, **given, **answers})


class FakeNvml:
    """Replaces the functions of pynvml. `init` and each of `gpus` may be an exception."""

    def __init__(self, patch: pytest.MonkeyPatch, gpus: list[FakeGpu | Exception], init: Exception | None = None):
        self.gpus, self.init = gpus, init
        patch.setattr("tuitrain.machine.gpus.driver_installed", lambda: True)
        patch.setattr(pynvml, "nvmlInit", lambda: _answer(self.init))
        patch.setattr(pynvml, "nvmlDeviceGetCount", lambda: len(self.gpus))
        patch.setattr(pynvml, "nvmlSystemGetDriverVersion", lambda: "570.86.15")
        patch.setattr(pynvml, "nvmlDeviceGetHandleByIndex", lambda index: _answer(self.gpus[index]))
        patch.setattr(pynvml, "nvmlDeviceGetMigDeviceHandleByIndex", self._instance)
        for name in FakeGpu().answers:
            patch.setattr(pynvml, f"nvmlDeviceGet{name}", lambda gpu, *_, name=name: _answer(gpu.answers[name]))

    def _instance(self, gpu: FakeGpu, place: int) -> FakeGpu:
        found = gpu.instances[place] if place < len(gpu.instances) else None
        if found is None:
            raise error(pynvml.NVML_ERROR_NOT_FOUND)
        return found


def _answer(value: Any) -> Any:
    if isinstance(value, Exception):
        raise value
    return value
