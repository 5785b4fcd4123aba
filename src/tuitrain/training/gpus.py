"""Choose a GPU for a run, and keep other runs of this user off it."""

import torch

from tuitrain.machine import gpu_lock
from tuitrain.machine.gpus import Gpu, GpuReader, Gpus

# A GPU with less use than this is idle: a desktop takes some percent.
IDLE = 0.1


def choose_gpu(*, hold: bool) -> int:
    """Return torch's number of the GPU with the most free memory among the idle ones, else among all. A GPU that
    another process of this user trains on comes last. With `hold`, others avoid this one until `gpu_lock.release`, and
    all runs of this process train on it."""
    uuids = {torch_uuid(index): index for index in range(torch.cuda.device_count())}
    if ours := [uuids[uuid] for uuid in gpu_lock.held() if uuid in uuids]:
        return ours[0]
    known = visible_gpus(GpuReader().read()) if len(uuids) > 1 else {}
    ranked = sorted(uuids, key=lambda uuid: _rank(known.get(uuid)))
    chosen = next((uuid for uuid in ranked if gpu_lock.hold(uuid)), ranked[0])
    if not hold:
        gpu_lock.release()
    return uuids[chosen]


def choose_gpus(count: int) -> list[int]:
    """Return torch's numbers of the `count` GPUs that `choose_gpu` would take one after the other."""
    uuids = {torch_uuid(index): index for index in range(torch.cuda.device_count())}
    known = visible_gpus(GpuReader().read())
    ranked = sorted(uuids, key=lambda uuid: _rank(known.get(uuid)))
    free = [uuid for uuid in ranked if gpu_lock.hold(uuid)]
    gpu_lock.release()
    return sorted(uuids[uuid] for uuid in [*free, *(uuid for uuid in ranked if uuid not in free)][:count])


def hold_gpu(index: int) -> None:
    """Mark a GPU as used, so that runs that choose their GPU avoid it."""
    gpu_lock.hold(torch_uuid(index))


def driver_free_memory(index: int) -> int | None:
    """Return the free bytes of a GPU without creating a CUDA context; None if the driver does not tell."""
    gpu = visible_gpus(GpuReader().read()).get(torch_uuid(index))
    return None if gpu is None or gpu.total_memory is None or gpu.memory is None else gpu.total_memory - gpu.memory


def torch_uuid(index: int) -> str:
    """Return the UUID of torch's GPU `index` without creating a CUDA context, which would take memory of each GPU."""
    return str(torch.cuda.get_device_properties(index).uuid)


def visible_gpus(gpus: Gpus) -> dict[str, Gpu]:
    """Return the driver's view of each GPU and each of its instances, by torch's UUID."""
    return {part.uuid.partition("-")[2]: part for gpu in gpus.devices for part in (gpu, *gpu.instances)}


def _rank(gpu: Gpu | None) -> tuple[bool, float]:
    """Return a sort key that is smaller for a better GPU, and equal for GPUs that the driver does not know."""
    if gpu is None or gpu.total_memory is None or gpu.memory is None:
        return False, 0.0
    return (gpu.use or 0.0) >= IDLE, float(gpu.memory - gpu.total_memory)
