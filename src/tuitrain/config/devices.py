"""Which devices a run may train on, without asking torch."""

from collections.abc import Sequence

from tuitrain.config.schema import Config


def devices_needed(config: Config) -> int:  # noqa: ARG001
    """Return the number of devices on which a run trains at the same time."""
    return 1


def serves(device: str, wanted: str) -> bool:
    """Return whether a run whose `training.device` is `wanted` may train on `device`, such as cpu or cuda:1."""
    return wanted in ("auto", device, device.partition(":")[0])


def can_serve(devices: Sequence[str], config: Config) -> bool:
    """Return whether a run could train on some of the devices if all of them were free."""
    suitable = {device for device in devices if serves(device, config.training.device)}
    return len(suitable) >= devices_needed(config)
