"""Read and write files in folders that may come from anyone.

A folder from elsewhere may contain links, pipes and devices under the names of our files. Nothing here follows a link
for writing, changes a file that has a second name, or waits for a pipe.
"""

import errno
import fcntl
import glob
import os
import secrets
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from tuitrain.text import plain

# Errors of file systems that cannot sync a file or folder, such as some network and FUSE file systems.
_NO_SYNC = (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS)
_KINDS = {
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def open_to_read(path: Path) -> BinaryIO:
    """Open a regular file, or a link to one. Raises OSError, also for a pipe or device, whose reader may wait
    forever."""
    _check_kind(path, path.stat(), stat.S_IFREG)
    return os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb")


def open_to_write(path: Path, flags: int) -> int:
    """Open a file to change it in place, such as a log, and return its descriptor; `flags` are those of `os.open`.
    Raises OSError unless the file is missing, or a regular file without a second name."""
    check_own_file(path)
    descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o666)
    os.set_blocking(descriptor, True)
    return descriptor


def open_to_append(path: Path) -> BinaryIO:
    """Open a file such as a log for appending, with the checks of `open_to_write`. Create it if it is missing."""
    return os.fdopen(open_to_write(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT), "ab")


def check_own_file(path: Path) -> None:
    """Raise OSError if writing to an existing file would change something else or might never end."""
    with suppress(FileNotFoundError):
        status = path.lstat()
        _check_kind(path, status, stat.S_IFREG)
        if status.st_nlink > 1:
            reason = f"{plain(path.name)} has a second name (a hard link), whose content would change too"
            raise OSError(errno.EMLINK, reason)


def check_own_folder(path: Path) -> None:
    """Raise OSError if `path` exists and is not a folder, but a link to one, for example."""
    with suppress(FileNotFoundError):
        _check_kind(path, path.lstat(), stat.S_IFDIR)


def _check_kind(path: Path, status: os.stat_result, expected: int) -> None:
    kind = stat.S_IFMT(status.st_mode)
    if kind != expected:
        found = _KINDS.get(kind, "a file" if kind == stat.S_IFREG else "not a regular file")
        raise OSError(errno.EINVAL, f"{plain(path.name)} is {found}")


def replace(path: Path, content: bytes, *, sync: bool = False) -> None:
    """Replace a file atomically: readers see the old or the new content; with `sync`, also after a power failure.
    Replace a link itself, not the file that it leads to. Raises OSError."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(6)}.tmp")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        _move(draft, path, sync=sync)
    except OSError:
        with suppress(OSError):
            draft.unlink()
        raise


def replace_by(write: Callable[[Path], None], path: Path, *, sync: bool = True) -> None:
    """Replace a file like `replace`. `write` creates the new file under the path that it receives."""
    # Nobody else can have put a link into a new folder with a random name.
    with tempfile.TemporaryDirectory(".tmp", f".{path.name}.", path.parent) as folder:
        draft = Path(folder) / path.name
        write(draft)
        # Some libraries make their files readable for their owner only.
        draft.chmod(path.parent.stat().st_mode & 0o666)
        _move(draft, path, sync=sync)


def _move(draft: Path, path: Path, *, sync: bool) -> None:
    if sync:
        _sync(draft)
    written = draft.stat()
    try:
        draft.replace(path)
    except OSError as error:
        if error.errno not in (errno.ESTALE, errno.ENOENT):
            raise
        # NFS repeats a request whose answer was lost, and reports an error for a rename that has succeeded.
        if not (os.path.lexists(path) and os.path.samestat(path.lstat(), written)):
            draft.replace(path)
    if sync:
        # Otherwise a power failure could undo the rename.
        _sync(path.parent)


def remove_drafts(path: Path) -> None:
    """Remove the drafts that killed processes left while they replaced `path`. Call this only if no other process may
    replace it at the same time."""
    for draft in path.parent.glob(f".{glob.escape(path.name)}.*tmp"):
        if draft.is_dir() and not draft.is_symlink():
            shutil.rmtree(draft, ignore_errors=True)
        else:
            with suppress(OSError):
                draft.unlink()


@contextmanager
def kept_draft(folder: Path) -> Iterator[None]:
    """Keep a draft from `remove_abandoned_drafts` while the context lasts, if the file system has locks."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def remove_abandoned_drafts(path: Path) -> None:
    """Remove the drafts that killed processes left while they replaced `path` within `kept_draft`. Other processes may
    replace it at the same time."""
    for folder in path.parent.glob(f".{glob.escape(path.name)}.*.tmp"):
        with suppress(OSError):
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(descriptor)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise
    finally:
        os.close(descriptor)
