"""Describe GPUs and the rest of the machine in lines of text."""

from collections.abc import Iterable, Sequence

from tuitrain.analysis import units
from tuitrain.machine.gpus import Gpu, Gpus
from tuitrain.machine.load import Disk, Load
from tuitrain.text import plain

# What matters most comes first, because a narrow terminal cuts the last ones.
TITLES = ["gpu", "use", "memory", "temp", "power", "slowed by", "name", "clock"]
USER_TITLES = ["gpu", "pid", "user", "memory", "run", "command"]


def gpu_lines(gpus: Gpus) -> list[list[str]]:
    """Return a line for each GPU and each of its MIG instances, which their indices name: `0:1`."""
    return [TITLES, *(_line(name, gpu) for name, gpu in _named(gpus.devices))]


def user_lines(gpus: Gpus) -> list[list[str]]:
    """Return a line for each process on a GPU."""
    return [USER_TITLES] + [
        [
            name, str(user.pid), user.user or units.UNKNOWN, units.size(user.memory), user.run or units.UNKNOWN,
            user.command or "in another container",
        ]
        for name, gpu in _named(gpus.devices) for user in gpu.users
    ]  # fmt: skip


def problems(gpus: Gpus) -> list[str]:
    """Return a sentence for each GPU that does not answer, or one that says why there is none."""
    lost = [f"gpu {gpu.index}: {gpu.problem}" for gpu in gpus.devices if gpu.problem]
    return lost or [gpus.problem] * bool(gpus.problem)


def load_text(load: Load) -> str:
    memory = f"memory {units.size(load.memory)} of {units.size(load.total_memory)}"
    return memory if load.cpu is None else f"cpu {100 * load.cpu:.0f} % of {load.cores} cores · {memory}"


def disk_text(disk: Disk) -> str:
    return f"disk {units.size(disk.free)} of {units.size(disk.total)} free at {plain(disk.folder, 200)}"


def short_gpu_text(gpus: Gpus) -> str:
    """Return use and memory of the only GPU, or the use of all: `gpu 93 % · 61.0 GB of 85.0 GB`, `gpus 93 0 0 12 %`."""
    if len(gpus.devices) != 1:
        used = [_percent(gpu.use).removesuffix(" %") if not gpu.problem else "lost" for gpu in gpus.devices]
        return f"gpus {' '.join(used)} %" if used else ""
    gpu = gpus.devices[0]
    memory = _of(units.size(gpu.memory), units.size(gpu.total_memory))
    return "gpu lost" if gpu.problem else f"gpu {_percent(gpu.use)} · {memory}"


def _named(devices: Iterable[Gpu]) -> list[tuple[str, Gpu]]:
    named = []
    for gpu in devices:
        named.append((str(gpu.index), gpu))
        named += [(f"{gpu.index}:{instance.index}", instance) for instance in gpu.instances]
    return named


def _line(name: str, gpu: Gpu) -> list[str]:
    if gpu.problem:
        return [name, *[units.UNKNOWN] * (len(TITLES) - 3), "no answer", units.UNKNOWN]
    return [
        name,
        _percent(gpu.use),
        _of(units.size(gpu.memory), units.size(gpu.total_memory)),
        units.UNKNOWN if gpu.temperature is None else f"{gpu.temperature} °C",
        _of(_whole(gpu.power), _whole(gpu.power_limit), " W"),
        ", ".join(gpu.throttling) or units.UNKNOWN,
        gpu.name.removeprefix("NVIDIA ") + " (hidden by CUDA_VISIBLE_DEVICES)" * (not gpu.visible),
        _of(_whole(gpu.clock), _whole(gpu.max_clock), " MHz"),
    ]


def _percent(share: float | None) -> str:
    return units.UNKNOWN if share is None else f"{100 * share:.0f} %"


def _whole(value: float | None) -> str:
    return units.count(value)


def _of(value: str, most: str, unit: str = "") -> str:
    """Return `value of most`, without what is unknown."""
    known: Sequence[str] = [text for text in (value, most) if text != units.UNKNOWN]
    return " of ".join(known) + unit if value != units.UNKNOWN else units.UNKNOWN
