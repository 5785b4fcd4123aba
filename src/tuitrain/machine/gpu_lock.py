"""Mark the GPUs on which this user's runs train, so that the next run takes another one."""

import fcntl
import os
from pathlib import Path

# The descriptors of the locked files, by UUID.
_held: dict[str, int] = {}


def hold(uuid: str) -> bool:
    """Mark the GPU as used by this process; return False if a run of another process uses it.

    The mark goes when the process calls `release` or ends, however it ends. Where no mark can be written, no run sees
    the others.
    """
    if uuid in _held:
        return True
    try:
        descriptor = os.open(_folder() / f"{uuid}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError:
        return True
    try:
        # In contrast to flock, a forked process does not inherit it.
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        os.close(descriptor)
        return False
    except OSError:
        os.close(descriptor)
        return True
    _held[uuid] = descriptor
    return True


def held() -> list[str]:
    """Return the UUIDs of the GPUs that this process holds."""
    return list(_held)


def release() -> None:
    """Let other processes use the GPUs that this one holds."""
    while _held:
        os.close(_held.popitem()[1])


def _folder() -> Path:
    import platformdirs

    # The runtime folder is another one in a batch job or a container. UUIDs tell the GPUs of several machines apart.
    folder = platformdirs.user_cache_path("tuitrain", appauthor=False) / "gpus"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
