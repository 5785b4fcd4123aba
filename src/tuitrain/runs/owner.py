"""One writer a run: who holds it stands in a file that is made once, which needs no locks of the file system."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
from msgspec import Struct

from tuitrain.errors import RunError
from tuitrain.runs.files import read_json
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.process import Process, alive, this_process
from tuitrain.text import plain


class Owner(Struct, frozen=True):
    """`since` is seconds since 1970."""

    process: Process
    since: float


def claim(folder: RunFolder) -> None:
    """Hold the run for this process. Raises RunError, with who holds it, where another process does."""
    hold(_path(folder), lambda: _heartbeat(folder))


def hold(path: Path, heartbeat: Callable[[], float]) -> None:
    """As `claim`, by a file of any name; `heartbeat` says when a holder on another machine last gave a sign of life."""
    for _ in range(10):
        if _create(path, Owner(this_process(), time.time())):
            return
        try:
            held = path.read_bytes()
        except FileNotFoundError:
            continue
        except OSError as error:
            raise RunError(f"{plain(path)} cannot be read: {error.strerror}.") from None
        found = holder(path)
        if found is not None and alive(found.process, heartbeat()):
            since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(found.since))
            raise RunError(
                f"The run is held by process {found.process.pid} on {plain(found.process.host, 60)} since {since}.",
                "Wait for its end or stop it: tuitrain stop RUN.",
            )
        _take_away(path, held)
    raise RunError(f"{plain(path)} changes all the time.", "Is another process starting the same run?")


def held_by(folder: RunFolder) -> int | None:
    """The pid that the run's file names, alive or not; None where nobody holds the run."""
    found = holder(_path(folder))
    return None if found is None else found.process.pid


def release(folder: RunFolder) -> None:
    """Let go what this process holds; what another one holds stays."""
    let_go(_path(folder))


def let_go(path: Path) -> None:
    """As `release`, by a file of any name."""
    found = holder(path)
    if found is not None and found.process == this_process():
        path.unlink(missing_ok=True)


def _path(folder: RunFolder) -> Path:
    return folder.path / "owner.json"


def _heartbeat(folder: RunFolder) -> float:
    try:
        return folder.state().heartbeat
    except RunError:
        return 0.0


def holder(path: Path) -> Owner | None:
    """None where there is none, or where the file is no owner's."""
    try:
        return read_json(path, Owner)
    except RunError:
        return None


def _create(path: Path, owner: Owner) -> bool:
    """Whether the file could be made; a link to a whole file, so that nobody sees half of it."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.{time.monotonic_ns()}")
    try:
        draft.write_bytes(msgspec.json.encode(owner))
        try:
            os.link(draft, path)
        except FileExistsError:
            return False
        except OSError:
            # A file system without links: made only where there is none, written at once.
            return _create_plainly(path, draft.read_bytes())
        return True
    except OSError as error:
        raise RunError(f"The run cannot be written: {error.strerror}.") from None
    finally:
        draft.unlink(missing_ok=True)


def _create_plainly(path: Path, content: bytes) -> bool:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    except FileExistsError:
        return False
    try:
        os.write(descriptor, content)
    finally:
        os.close(descriptor)
    return True


def _take_away(path: Path, seen: bytes) -> None:
    """Remove a file that a process left behind; if it is another's by now, put it back."""
    aside = path.with_name(f".{path.name}.{os.getpid()}.gone")
    try:
        path.rename(aside)
    except FileNotFoundError:
        return
    if aside.read_bytes() != seen:
        try:
            os.link(aside, path)
        except OSError:
            aside.rename(path)
            return
    aside.unlink(missing_ok=True)
