"""Which devices a run may train on, without asking torch."""

from collections.abc import Sequence

from tuitrain.config.device_list import Devices, several_devices
from tuitrain.config.schema import Config


def devices_needed(config: Config, devices: Sequence[str]) -> int:
    """Return the number of `devices` on which a run trains at the same time. Processes on the CPU share it."""
    text = config.training.devices
    if text is None or config.training.device == "cpu" or not several_devices(text):
        return 1
    return Devices.parse(text).count or len([device for device in devices if device.startswith("cuda")])


def serves(device: str, wanted: str) -> bool:
    """Return whether a run whose `training.device` is `wanted` may train on `device`, such as cpu or cuda:1."""
    return wanted in ("auto", device, device.partition(":")[0])


def suits(device: str, config: Config) -> bool:
    """Return whether a run may train on `device`, alone or beside others."""
    text, wanted = config.training.devices, config.training.device
    if text is not None and several_devices(text) and wanted != "cpu":
        listed = Devices.parse(text).indices
        return device.startswith("cuda") and (not listed or device in [f"cuda:{index}" for index in listed])
    return serves(device, wanted)


def can_serve(devices: Sequence[str], config: Config) -> bool:
    """Return whether a run could train on some of the devices if all of them were free."""
    suitable = {device for device in devices if suits(device, config)}
    return len(suitable) >= devices_needed(config, devices) > 0
