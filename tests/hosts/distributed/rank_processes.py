"""Watch and kill the processes of a run on several devices."""

import os
import re
import signal
from collections.abc import Callable, Iterable
from contextlib import suppress

import psutil
from safetensors import safe_open

from hosts.background_runs import ended, read, until
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.follower import Follower
from tuitrain.runs.rows import Event

SETTINGS = (
    "training.epochs=5", "training.checkpoint_every=0.05", "model.dropout=0.2", "data.augment=shift",
    "data.batch_size=9",
)  # fmt: skip


def launcher(folder: RunFolder) -> int:
    process = folder.state().process
    assert process is not None
    return process.pid


def ranks(folder: RunFolder) -> list[psutil.Process]:
    """Return the processes of the ranks by rank."""
    found = {}
    for child in psutil.Process(launcher(folder)).children():
        with suppress(psutil.Error):
            found[child.environ().get("RANK", "")] = child
    return [found[rank] for rank in ("0", "1")]


def address(folder: RunFolder) -> str:
    """Wait until a run waits for another node; return HOST:PORT."""

    def found() -> list[str]:
        return re.findall(r"tuitrain join \S+ --at (\S+)", folder.state().phase)

    until(lambda: bool(found()), folder)
    return found()[0]


def trains_on(folder: RunFolder, steps: int = 5) -> None:
    """Wait until the run has trained further, and saved what it can continue from."""
    last = folder.checkpoints / "last.safetensors"
    step, saved = folder.state().step, last.stat().st_mtime_ns if last.exists() else 0

    def progressed() -> bool:
        state = folder.state()
        return state.status == "running" and state.step > step + steps and last.stat().st_mtime_ns > saved

    until(progressed, folder)


def kill(folder: RunFolder, victims: Callable[[list[psutil.Process]], Iterable[int]]) -> None:
    """Kill processes of a run that trains, and wait until none of its processes is left."""
    trains_on(folder)
    workers = ranks(folder)
    everyone = [*workers, psutil.Process(launcher(folder))]
    for pid in victims(workers):
        os.kill(pid, signal.SIGKILL)
    until(lambda: ended(folder), folder)
    _, left = psutil.wait_procs(everyone, 60)
    assert not left


def tensors(folder: RunFolder) -> dict[str, bytes]:
    with safe_open(folder.checkpoints / "last.safetensors", framework="numpy") as file:
        return {name: file.get_tensor(name).tobytes() for name in file.keys()}  # noqa: SIM118


def losses(run: Follower) -> dict[int, float]:
    return dict(zip(run.train.step.tolist(), run.train.columns["loss"], strict=True))


def events(folder: RunFolder) -> list[str]:
    return [event.name for event in read(folder).events if isinstance(event, Event)]
