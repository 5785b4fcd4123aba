"""Run one watcher per folder and user on this machine, in this process or in the background."""

import os
import platform
import shlex
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from hashlib import blake2b
from math import inf
from pathlib import Path

from tuitrain.errors import RunError, TuitrainError
from tuitrain.hosts.alerts.addresses import load_addresses
from tuitrain.hosts.alerts.send import send
from tuitrain.hosts.alerts.watch import Alert, Watcher, check_exists
from tuitrain.hosts.subprocesses import start_background_process
from tuitrain.machine.watch import GpuWatch
from tuitrain.runs.owner import OwnedError, Owner, claim_file, is_alive, read_owner, release_file
from tuitrain.text import plain

# Seconds between two looks.
INTERVAL = 5.0
# If a watcher was killed, such as by a restart of the machine, the next one reports what ended meanwhile, for this many
# seconds.
MISSED = 86_400.0


def watch(folder: Path, report: Callable[[str], None], stopping: Callable[[], bool]) -> None:
    """Look at the runs of `folder` until `stopping()`; `report` each alert and send it to the user's addresses. Raise
    OwnedError if a process of this user already does so."""
    owner_file, gpus = _owner_file(folder), GpuWatch()
    # The time of the last look. The file remains if a signal or a restart of the machine ends the watcher.
    looked = owner_file.with_suffix(".looked")
    watcher = Watcher(folder, _since(looked))
    alerts = watcher.look(time.monotonic())
    # `watch_in_background` waits for the owner file. From then on, the watcher misses nothing.
    _claim(folder, owner_file)
    unreadable = ""
    try:
        while not stopping():
            with suppress(OSError):  # The disk may be full.
                looked.touch()
            for alert in alerts:
                if stopping():  # Each alert may take as long as a service needs to answer.
                    break
                report(f"{alert.title} ({' · '.join(alert.text.splitlines())})")
                for problem in _send(alert):
                    report(problem)
            _sleep(INTERVAL, stopping)
            try:
                alerts = watcher.look(time.monotonic(), gpus.look() if watcher.active else None)
                unreadable = ""
            except RunError as error:
                # A network file system may be back at the next look.
                if str(error) != unreadable:
                    report(str(error))
                alerts, unreadable = [], str(error)
        looked.unlink(missing_ok=True)
    finally:
        release_file(owner_file)


def _since(looked: Path) -> float:
    """Return the time after which no watcher has looked at the runs; infinity if the last one was stopped, or was
    killed too long ago."""
    try:
        last = looked.stat().st_mtime
    except OSError:
        return inf
    # A run that was active at the last look wrote its heartbeat at most this long before.
    return last - INTERVAL if time.time() - last < MISSED else inf


def _send(alert: Alert) -> list[str]:
    try:
        urls = load_addresses()
        return send(alert.title, alert.text, alert.kind, urls) if urls else []
    except TuitrainError as error:
        return [plain(error, 300)]


def _sleep(seconds: float, stopping: Callable[[], bool]) -> None:
    end = time.monotonic() + seconds
    while not stopping() and (left := end - time.monotonic()) > 0:
        time.sleep(min(0.2, left))


def watch_in_background(folder: Path) -> None:
    """Start the watcher in a background process. Raise RunError if it cannot start, or runs already."""
    owner_file = _owner_file(folder)
    _claim(folder, owner_file)
    release_file(owner_file)

    def has_registered(pid: int) -> bool:
        owner = read_owner(owner_file)
        return owner is not None and owner.process.pid == pid

    start_background_process(["watch", str(folder.absolute())], owner_file.with_suffix(".log"), "watch", has_registered)


def stop_watching(folder: Path) -> None:
    """End the watcher of the folder. Raise RunError if there is none."""
    owner = _watcher(folder)
    if owner is None:
        raise RunError(f"Nothing watches {plain(folder)}.", f"Start it: {watch_command(folder, '--detach')}")
    # The system ends processes with SIGTERM, after which the next watcher reports what this one missed.
    os.kill(owner.process.pid, signal.SIGINT)


def is_watched(folder: Path) -> bool:
    """Return whether a process of this user on this machine watches the folder."""
    return _watcher(folder) is not None


def _watcher(folder: Path) -> Owner | None:
    owner = read_owner(_owner_file(folder))
    return owner if owner is not None and is_alive(owner, lambda: None) else None


def watch_command(folder: Path, option: str) -> str:
    """Return the command line that starts or stops the watcher of the folder, to show it to the user."""
    return f"tuitrain watch {shlex.quote(plain(folder))} {option}"


def _claim(folder: Path, owner_file: Path) -> None:
    check_exists(folder)
    try:
        owner_file.parent.mkdir(parents=True, exist_ok=True)
        claim_file(owner_file)
    except OwnedError:
        reason = f"{plain(folder)} is already watched."
        raise OwnedError(reason, f"Stop that first: {watch_command(folder, '--stop')}") from None
    except OSError as error:
        raise RunError(f"{plain(owner_file.parent)} cannot be written: {error.strerror}.") from None


def _owner_file(folder: Path) -> Path:
    """Return a file in the user's cache, because the watched folder may belong to somebody else."""
    import platformdirs

    name = blake2b(os.fsencode(folder.resolve()), digest_size=8).hexdigest()
    return platformdirs.user_cache_path("tuitrain", appauthor=False) / "watch" / f"{platform.node()}-{name}.owner"
