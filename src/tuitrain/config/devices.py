"""Which devices a run may train on, without asking torch."""

from collections.abc import Sequence

from tuitrain.config.device_list import Devices, several_devices
from tuitrain.config.schema import Config


def is_distributed(config: Config) -> bool:
    """Return whether a run trains on several devices of one or of several machines, or may do so."""
    return config.training.nodes > 1 or several_devices(config.training.devices)


def devices_needed(config: Config, devices: Sequence[str]) -> int:
    """Return the number of `devices` on which a run trains at the same time. Processes on the CPU share it."""
    several = _several(config)
    if several is None:
        return 1
    return several.count or len({device for device in devices if device.startswith("cuda")})


def wanted_devices(config: Config) -> str:
    """Return the devices of a run in words, such as `auto`, `cuda:1`, `2 GPUs` or `GPUs 0, 1`."""
    several = _several(config)
    if several is None:
        return config.training.device
    if several.indices:
        return f"GPUs {', '.join(map(str, several.indices))}"
    return f"{several.count} GPUs" if several.count else "all GPUs"


def _several(config: Config) -> Devices | None:
    """Return the GPUs of a run that trains on several of them, or None."""
    text = config.training.devices
    if text is None or config.training.device == "cpu" or not several_devices(text):
        return None
    return Devices.parse(text)


def serves(device: str, wanted: str) -> bool:
    """Return whether a run whose `training.device` is `wanted` may train on `device`, such as cpu or cuda:1."""
    return wanted in ("auto", device, device.partition(":")[0])


def suits(device: str, config: Config) -> bool:
    """Return whether a run may train on `device`, alone or beside others."""
    several = _several(config)
    if several is None:
        return serves(device, config.training.device)
    return device.startswith("cuda") and (not several.indices or device in [f"cuda:{i}" for i in several.indices])


def can_serve(devices: Sequence[str], config: Config) -> bool:
    """Return whether a run could train on some of the devices if all of them were free."""
    suitable = {device for device in devices if suits(device, config)}
    return len(suitable) >= devices_needed(config, devices) > 0
