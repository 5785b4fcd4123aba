"""The devices that a queue uses, found without torch."""

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
        """Return the GPUs on which other processes compute. `own` are the process ids of queued runs, which may have
        started more processes. A GPU that the user listed is never in use."""
        if not self._automatic or not self.uuids:
            return set()
        pids = set(own)
        return {
            name
            for name, gpu in usable_gpus(self._reader.read()).items()
            if any(pids.isdisjoint(_with_ancestors(user.pid)) for user in gpu.users)
        }


def _checked(text: str, gpus: Mapping[str, Gpu]) -> str:
    name: str = check_value("training.device", text.strip())
    if name.startswith("cuda") and name not in gpus:
        available = ", ".join(gpus) or "no GPU"
        raise ConfigError(f"This machine has no device {plain(name, 40)}: it has {available}.", "See: tuitrain gpus")
    if name == "auto":
        raise ConfigError("--devices auto is not allowed.", "List devices, such as cuda:0,cuda:1, or leave it out.")
    return name


def _with_ancestors(pid: int) -> set[int]:
    """Return the ids of a process and of its ancestors; only its own if it is gone or of another container."""
    import psutil

    try:
        return {pid, *(parent.pid for parent in psutil.Process(pid).parents())}
    except psutil.Error:
        return {pid}
