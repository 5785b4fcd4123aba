"""One writer a run: who holds it stands in a file that is made once, which needs no locks of the file system."""

import hashlib
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import msgspec
from msgspec import Struct

from tuitrain.errors import RunError
from tuitrain.runs.files import read, replace
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.process import Process, alive, this_process
from tuitrain.text import plain

# Seconds that a file which others change at the same time is looked at again.
PATIENCE = 4.0


class HeldError(RunError):
    """Another process holds it."""


class Owner(Struct, frozen=True):
    """`since` is seconds since 1970."""

    process: Process
    since: float


def claim(folder: RunFolder) -> None:
    """Hold the run for this process. Raises RunError, with who holds it, where another process does."""
    hold(_path(folder), lambda: _heartbeat(folder))


def hold(path: Path, heartbeat: Callable[[], float]) -> None:
    """As `claim`, by a file of any name; `heartbeat` says when a holder on another machine last gave a sign of life.
    Raises HeldError where another process holds it, RunError where it cannot be written."""
    ours = msgspec.json.encode(Owner(this_process(), time.time()))
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if _create(path, ours):
            return
        seen = _content(path)
        if seen is not None and not _half_written(path, seen):
            _refuse_living(seen, heartbeat)
            if _take_over(path, seen, ours):
                return
        time.sleep(0.005)
    raise RunError(f"{plain(path)} changes all the time.", "Is another process starting the same run?")


def _refuse_living(seen: bytes, heartbeat: Callable[[], float]) -> None:
    found = _owner(seen)
    if found is not None and alive(found.process, max(found.since, heartbeat())):
        since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(found.since))
        raise HeldError(
            f"The run is held by process {found.process.pid} on {plain(found.process.host, 60)} since {since}.",
            "Wait for its end or stop it: tuitrain stop RUN.",
        )


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
        # What stays behind names a process that will soon be gone.
        with suppress(OSError):
            path.unlink()


def _path(folder: RunFolder) -> Path:
    return folder.path / "owner.json"


def _heartbeat(folder: RunFolder) -> float:
    try:
        return folder.state().heartbeat
    except RunError:
        return 0.0


def holder(path: Path) -> Owner | None:
    """None where there is none, or where the file is no owner's."""
    content = _content(path)
    return None if content is None else _owner(content)


def _content(path: Path) -> bytes | None:
    try:
        return read(path)
    except RunError:
        return None


def _owner(content: bytes) -> Owner | None:
    try:
        return msgspec.json.decode(content, type=Owner)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _half_written(path: Path, content: bytes) -> bool:
    """Whether that is what another process writes just now."""
    try:
        return _owner(content) is None and time.time() - path.stat().st_mtime < PATIENCE / 2
    except OSError:
        return True


def _take_over(path: Path, seen: bytes, ours: bytes) -> bool:
    """Replace a file that a process left behind. Of all that saw the same file, one alone may: who makes the ticket
    that is named after what was seen. A ticket that was itself left behind counts with what was seen."""
    mark = hashlib.sha256(seen)
    while not _create(ticket := path.with_name(f".{path.name}.{mark.hexdigest()[:16]}"), ours):
        left = _content(ticket)
        taker = None if left is None else _owner(left)
        if left is None or _half_written(ticket, left) or (taker and alive(taker.process, taker.since)):
            return False
        mark.update(left)
    try:
        # Who comes late makes the ticket anew, and finds another file.
        if _content(path) != seen:
            return False
        replace(path, ours)
        return True
    except OSError as error:
        raise RunError(f"The run cannot be written: {error.strerror}.") from None
    finally:
        ticket.unlink(missing_ok=True)


def _create(path: Path, content: bytes) -> bool:
    """Whether the file could be made; a link to a whole file, so that nobody sees half of it."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.{time.monotonic_ns()}")
    try:
        draft.write_bytes(content)
        try:
            os.link(draft, path)
        except FileExistsError:
            return False
        except OSError:
            # A file system without links: made only where there is none, written at once.
            return _create_plainly(path, content)
        return True
    except OSError as error:
        raise RunError(f"The run cannot be written: {error.strerror}.") from None
    finally:
        # Where nothing can be written, even what is not there cannot be removed.
        with suppress(OSError):
            draft.unlink()


def _create_plainly(path: Path, content: bytes) -> bool:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    except FileExistsError:
        return False
    try:
        os.write(descriptor, content)
    except OSError:
        path.unlink(missing_ok=True)
        raise
    finally:
        os.close(descriptor)
    return True
