"""The slots of a machine: one run of a queue trains in a slot at a time, whichever runs folder the run is in.

The process of a run owns its slots by owner files, as it owns its run. So a queue that was killed knows after its
restart which slots are free, and a run that another queue has started meanwhile cannot share a slot.
"""

import os
import platform
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from msgspec import Struct

from tuitrain.errors import RunError
from tuitrain.runs.owner import claim_file, is_alive, read_owner, release_file
from tuitrain.runs.process import Process
from tuitrain.text import plain


class Slot(Struct, frozen=True):
    """A place for one run on `device`, as `training.device` names it. `key` identifies the place on this machine."""

    device: str
    key: str


def make_slots(devices: Sequence[str], per_device: int, uuids: Mapping[str, str]) -> list[Slot]:
    """Return `per_device` slots for each device, so that the first ones are on different devices. A device that is
    listed twice has twice as many. The UUID of a GPU identifies it if CUDA_VISIBLE_DEVICES numbers it differently."""
    numbers: Counter[str] = Counter()
    slots = []
    for device in [*devices] * per_device:
        slots.append(Slot(device, f"{uuids.get(device) or device}.{numbers[device]}"))
        numbers[device] += 1
    return slots


def slot_owners(slots: Iterable[Slot]) -> dict[Slot, Process]:
    """Return the processes that own slots and still exist."""
    owners = ((slot, read_owner(_owner_file(slot.key))) for slot in slots)
    return {slot: owner.process for slot, owner in owners if owner is not None and is_alive(owner, lambda: None)}


@contextmanager
def own_slots(keys: Iterable[str]) -> Iterator[None]:
    """Own slots while the context lasts. Raise OwnedError if another process owns one of them."""
    owned: list[Path] = []
    try:
        for key in keys:
            path = _owner_file(key)
            claim_file(path)
            owned.append(path)
        yield
    finally:
        for path in owned:
            release_file(path)


def create_slots_folder() -> None:
    """Create the folder of the slots' owner files. Raise RunError if it cannot be created or written."""
    folder = _folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        problem = "" if os.access(folder, os.W_OK | os.X_OK) else "Permission denied"
    except OSError as error:
        problem = error.strerror or ""
    if problem:
        hint = "Choose another cache folder with XDG_CACHE_HOME."
        raise RunError(f"The queue cannot write to {plain(folder)}: {problem}.", hint)


def _owner_file(key: str) -> Path:
    return _folder() / f"{quote(key, safe='')}.owner"


def _folder() -> Path:
    import platformdirs

    # The home folder may be shared by several machines.
    return platformdirs.user_cache_path("tuitrain", appauthor=False) / "slots" / quote(platform.node(), safe="")
