"""Only one process may write a run: its owner. An owner file, created exclusively, works without file system locks."""

import hashlib
import os
import secrets
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from math import inf
from pathlib import Path

import msgspec
from msgspec import Struct

from tuitrain.errors import RunError
from tuitrain.files import replace
from tuitrain.runs.files import decode_or_none, read
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.process import SILENCE, Process, alive, is_local, this_process
from tuitrain.text import plain

# Seconds to retry while other processes change the owner file.
RETRY_SECONDS = 4.0
# Seconds to watch the heartbeat of a process whose clock differs from ours. A loop writes it twice a second.
WATCH_SECONDS = 3.0


class OwnedError(RunError):
    """Another process owns the run or job."""


class Owner(Struct, frozen=True):
    """The content of an owner file; `since` is in seconds since 1970."""

    process: Process
    since: float


def claim(folder: RunFolder) -> None:
    """Make this process the owner of the run. Raises OwnedError, which names the owner, if another process owns it."""
    claim_file(_path(folder), lambda: folder)


def claim_file(path: Path, run: Callable[[], RunFolder | None] = lambda: None) -> None:
    """Create the owner file at `path` for this process, or take it over from a process that no longer exists.

    `run` returns the run that the owner trains, if any. Raises OwnedError if another process owns the file, and
    RunError if it cannot be written.
    """
    ours = msgspec.json.encode(Owner(this_process(), time.time()))
    deadline = time.monotonic() + RETRY_SECONDS
    while time.monotonic() < deadline:
        if _create(path, ours):
            return
        content = _content(path)
        if content is not None and not _half_written(path, content):
            _check_owner_is_gone(content, run)
            if _take_over(path, content, ours):
                return
        time.sleep(0.005)
    # If the file cannot be read, this says why.
    read(path)
    raise RunError(f"Other processes keep changing {plain(path)}.", "Is another process starting this run?")


def _check_owner_is_gone(content: bytes, run: Callable[[], RunFolder | None]) -> None:
    found = _owner(content)
    if found is not None and (is_alive(found, run) or _is_working(found, run)):
        since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(found.since))
        raise OwnedError(
            f"Process {found.process.pid} on {plain(found.process.host, 60)} has owned the run since {since}.",
            "Wait until the run ends, or stop it: tuitrain stop RUN.",
        )


def is_alive(owner: Owner, run: Callable[[], RunFolder | None]) -> bool:
    """Return whether the owner still exists. Of a process on another machine, only the heartbeat of its run is
    visible."""
    return alive(owner.process, owner.since, _heartbeat(run))


def _heartbeat(run: Callable[[], RunFolder | None]) -> float:
    try:
        folder = run()
        return folder.state().heartbeat if folder else 0.0
    except RunError:
        return 0.0


def _is_working(owner: Owner, run: Callable[[], RunFolder | None]) -> bool:
    """Return whether a process on another machine still changes its heartbeat, although it is gone by our clock, which
    may be wrong. Watch for `WATCH_SECONDS`, but only if the state was written lately by the clock of the file
    server."""
    if is_local(owner.process) or not (folder := run()) or _age(folder.state_file) > SILENCE:
        return False
    heartbeat, deadline = _heartbeat(run), time.monotonic() + WATCH_SECONDS
    while time.monotonic() < deadline:
        time.sleep(0.05)
        if _heartbeat(run) not in (0.0, heartbeat):
            return True
    return False


def _age(path: Path) -> float:
    """Return the seconds since the file changed, by the clock of its file system; infinite if that is unknown."""
    try:
        with tempfile.TemporaryFile(dir=path.parent) as probe:
            probe.write(b"now")
            probe.flush()
            return os.fstat(probe.fileno()).st_mtime - path.stat().st_mtime
    except OSError:
        return inf


def release(folder: RunFolder) -> None:
    """Give up the run if this process owns it."""
    release_file(_path(folder))


def release_file(path: Path) -> None:
    """Remove the owner file at `path` if it names this process."""
    found = read_owner(path)
    if found is not None and found.process == this_process():
        # A file that cannot be removed names a process that will soon be gone, and others take it over.
        with suppress(OSError):
            path.unlink()


def _path(folder: RunFolder) -> Path:
    return folder.path / "owner.json"


def read_owner(path: Path) -> Owner | None:
    """Return the content of an owner file, or None if it is missing or invalid."""
    return _owner(_content(path))


def _content(path: Path) -> bytes | None:
    try:
        return read(path)
    except RunError:
        return None


def _owner(content: bytes | None) -> Owner | None:
    return None if content is None else decode_or_none(msgspec.json.Decoder(Owner).decode, content)


def _half_written(path: Path, content: bytes) -> bool:
    """Return whether another process is probably writing the file at this moment."""
    try:
        return _owner(content) is None and abs(time.time() - path.stat().st_mtime) < RETRY_SECONDS / 2
    except OSError:
        return True


def _take_over(path: Path, abandoned: bytes, ours: bytes) -> bool:
    """Replace the owner file of an ended process; return False if another process does so first.

    Of all processes that read the same abandoned content, only the one that creates the ticket file named after its
    hash may replace it. A ticket that an ended process left behind is hashed too, which gives the next ticket a new
    name.
    """
    digest = hashlib.sha256(abandoned)
    while not _create(ticket := path.with_name(f".{path.name}.{digest.hexdigest()[:16]}"), ours):
        content = _content(ticket)
        taker = _owner(content)
        if content is None or _half_written(ticket, content) or (taker and alive(taker.process, taker.since)):
            return False
        digest.update(content)
    try:
        # A process that comes late creates the ticket again, but finds a new owner file.
        if _content(path) != abandoned:
            return False
        replace(path, ours)
        return True
    except OSError as error:
        raise RunError(f"The run cannot be written: {error.strerror}.") from None
    finally:
        ticket.unlink(missing_ok=True)


def _create(path: Path, content: bytes) -> bool:
    """Create the file with its whole content at once; return False if it exists already."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(6)}.tmp")
    try:
        # An exclusive creation follows no link.
        with draft.open("xb") as file:
            file.write(content)
        try:
            os.link(draft, path)
        except FileExistsError:
            # NFS repeats a request whose answer was lost: the file may be ours.
            return draft.stat().st_nlink == 2
        except OSError:
            # The file system has no hard links: readers may see a half-written file.
            return _create_exclusively(path, content)
        return True
    except OSError as error:
        raise RunError(f"The run cannot be written: {error.strerror}.") from None
    finally:
        # On a read-only file system, even removing a missing file raises.
        with suppress(OSError):
            draft.unlink()


def _create_exclusively(path: Path, content: bytes) -> bool:
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
