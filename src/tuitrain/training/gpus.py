"""Choose a GPU for a run, and keep other runs of this user off it."""

import torch

from tuitrain.machine import gpu_lock
from tuitrain.machine.gpus import Gpu, GpuReader

# A GPU with less use than this is idle: a desktop or a monitor takes some percent.
IDLE = 0.1


def choose_gpu() -> int:
    """Return torch's number of the GPU with the most free memory among the idle ones, else among all. A GPU that
    another process of this user trains on comes last. All runs of this process train on the same one."""
    uuids = {_uuid(index): index for index in range(torch.cuda.device_count())}
    if ours := [uuids[uuid] for uuid in gpu_lock.held() if uuid in uuids]:
        return ours[0]
    known = _known() if len(uuids) > 1 else {}
    ranked = sorted(uuids, key=lambda uuid: _rank(known.get(uuid)))
    chosen = next((uuid for uuid in ranked if gpu_lock.hold(uuid)), ranked[0])
    return uuids[chosen]


def hold_gpu(index: int) -> None:
    """Let runs that may choose their GPU take another one."""
    gpu_lock.hold(_uuid(index))


def _uuid(index: int) -> str:
    """Return the UUID without creating a CUDA context, which would take memory of each GPU."""
    return str(torch.cuda.get_device_properties(index).uuid)


def _known() -> dict[str, Gpu]:
    """Return what the driver tells of each GPU and each of its instances, by torch's UUID."""
    devices = GpuReader().read().devices
    return {part.uuid.partition("-")[2]: part for gpu in devices for part in (gpu, *gpu.instances)}


def _rank(gpu: Gpu | None) -> tuple[bool, float]:
    """Return a key that is smaller for a better GPU. Without an answer of the driver, the order is torch's."""
    if gpu is None or gpu.total_memory is None or gpu.memory is None:
        return False, 0.0
    return (gpu.use or 0.0) >= IDLE, float(gpu.memory - gpu.total_memory)
