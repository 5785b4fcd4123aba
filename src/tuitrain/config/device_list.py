"""Parse the devices that one run trains on: a number of them, all of them, or a list such as 0,1."""

import re

from msgspec import Struct

# One device of a list: its number, with or without the prefix.
_DEVICE = r"(?:cuda:)?(?:0|[1-9][0-9]?)"
# The texts that `training.devices` allows, and their description. A number alone counts devices; a single GPU is the
# matter of `training.device`.
DEVICES = rf"^(?:[1-9][0-9]?|all|{_DEVICE}(?: *, *{_DEVICE})+)\Z"
DEVICES_WORDS = {"others": "a number of devices, all, or a list such as 0,1 or cuda:0,cuda:1"}
KEY = "training.devices"


class Devices(Struct, frozen=True):
    """`count` devices, 0 for all of them, or the GPUs with the numbers `indices`."""

    count: int = 0
    indices: tuple[int, ...] = ()

    @classmethod
    def parse(cls, text: str) -> "Devices":
        """Return the devices that `training.devices` names; the text must match `DEVICES`."""
        if text == "all":
            return cls()
        if text.isdecimal():
            return cls(count=int(text))
        indices = tuple(map(int, re.findall(r"[0-9]+", text)))
        return cls(len(indices), indices)


def devices_text(value: object) -> object:
    """Return a number or list, as TOML files may give it, as the text that `training.devices` allows. Other values stay
    as they are."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, (list, tuple)) and all(type(item) in (int, str) for item in value):
        # A single number in a list is a device, not a count: it is not allowed.
        return ",".join(map(str, value)) if len(value) > 1 else value
    return value


def several_devices(text: str | None) -> bool:
    """Return whether a run with this `training.devices` trains on several devices, or may do so."""
    return text is not None and Devices.parse(text).count != 1
