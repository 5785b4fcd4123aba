"""The devices that a queue uses, found without torch."""

import os
from collections.abc import Iterable, Mapping

from tuitrain.config.validation import check_value
from tuitrain.errors import ConfigError
from tuitrain.machine.gpus import Gpu, GpuReader, usable_gpus
from tuitrain.text import plain


class QueueDevices:
    """The names of the devices, as in `training.device`, and the UUIDs of the GPUs among them.

    `chosen` is the user's list, such as `cuda:0,cuda:1`; without one, these are all GPUs that CUDA_VISIBLE_DEVICES
    allows, or the CPU. Raise ConfigError for a device that this machine does not have.
    """

    def __init__(self, chosen: str | None = None, reader: GpuReader | None = None) -> None:
        self._reader = reader or GpuReader()
        self._automatic = chosen is None
        gpus = usable_gpus(self._reader.read())
        names = (list(gpus) or ["cpu"]) if chosen is None else [_checked(name, gpus) for name in chosen.split(",")]
        self.names = tuple(names)
        self.uuids = {name: gpus[name].uuid for name in names if name in gpus}

    def in_use(self, own: Iterable[int]) -> set[str]:
        """Return the GPUs on which other processes compute. `own` are the process ids of queued runs. A GPU that the
        user listed is never in use."""
        if not self._automatic or not self.uuids:
            return set()
        sessions = set(own)
        return {
            name
            for name, gpu in usable_gpus(self._reader.read()).items()
            if any(_session(user.pid) not in sessions for user in gpu.users)
        }


def _checked(text: str, gpus: Mapping[str, Gpu]) -> str:
    name: str = check_value("training.device", text.strip())
    if name.startswith("cuda") and name not in gpus:
        available = ", ".join(gpus) or "no GPU"
        raise ConfigError(f"This machine has no device {plain(name, 40)}: it has {available}.", "See: tuitrain gpus")
    if name == "auto":
        raise ConfigError("--devices auto is not allowed.", "List devices, such as cuda:0,cuda:1, or leave it out.")
    return name


def _session(pid: int) -> int:
    """Return the session of a process, which is the process of its run; -1 if it is gone or of another container."""
    try:
        return os.getsid(pid)
    except OSError:
        return -1
