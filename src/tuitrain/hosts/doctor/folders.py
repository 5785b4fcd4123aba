"""Check the folders that tuitrain writes to, and the space on their disks."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from tuitrain.config.data.datasets import user_cache
from tuitrain.hosts.doctor.finding import Finding
from tuitrain.machine.load import disk
from tuitrain.text import plain, size

# Bytes below which a run may not have the space for its checkpoints.
LITTLE = 2e9
_NETWORK = ("nfs", "nfs4", "cifs", "smb3", "fuse.sshfs", "lustre", "beegfs", "gpfs", "ceph")


def check_folders(runs_dir: Path) -> Iterator[Finding]:
    yield _check("runs folder", runs_dir, "Choose another one with --runs-dir or $TUITRAIN_RUNS.")
    yield _check("cache folder", user_cache(), "Choose another one with $HOME or $XDG_CACHE_HOME.")


def _check(name: str, folder: Path, advice: str) -> Finding:
    folder = folder.absolute()
    # Path.exists() raises PermissionError for a path in a closed folder.
    existing = next((path for path in (folder, *folder.parents) if os.path.exists(path)), folder)  # noqa: PTH110
    shown = plain(folder, 200)
    try:
        with tempfile.TemporaryFile(dir=existing) as file:
            file.write(b"0")
            file.flush()
    except OSError as error:
        return Finding(name, f"{shown} cannot be written: {error.strerror}", "problem", advice)
    missing = "" if existing == folder else ", will be created"
    network = f", on {system}" if (system := _file_system(existing)) in _NETWORK else ""
    space = disk(existing)
    if space is None:
        return Finding(name, f"{shown}{missing}{network}")
    text = f"{shown}{missing}{network}, {size(space.free)} free"
    return Finding(name, text, "note", f"Free some space. {advice}") if space.free < LITTLE else Finding(name, text)


def _file_system(folder: Path) -> str:
    """Return the type of the file system, such as ext4 or nfs; an empty string if it is unknown."""
    import psutil

    found = ""
    with suppress(OSError, psutil.Error):
        path = os.path.realpath(folder)
        longest = ""
        for mounted in psutil.disk_partitions(all=True):
            point = mounted.mountpoint
            if len(point) >= len(longest) and (path == point or path.startswith(point.rstrip("/") + "/")):
                longest, found = point, mounted.fstype
    return plain(found, 20)
