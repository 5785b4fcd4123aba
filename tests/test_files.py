"""Files are replaced and opened without following links, without waiting, and without leaving drafts."""

import errno
import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from tuitrain.files import check_own_folder, open_to_append, open_to_read, open_to_write, remove_drafts, replace


@pytest.fixture
def precious(tmp_path: Path) -> Path:
    path = tmp_path / "precious"
    path.write_text("precious")
    return path


def put(kind: str, path: Path, target: Path) -> None:
    """Create something that is not a regular file of its own."""
    if kind == "a pipe":
        os.mkfifo(path)
    elif kind == "a socket":
        with socket.socket(socket.AF_UNIX) as bound:
            # The address of a socket is short; that of a test folder may be long.
            descriptor = os.open(path.parent, os.O_RDONLY)
            bound.bind(f"/proc/self/fd/{descriptor}/{path.name}")
            os.close(descriptor)
    elif kind == "a folder":
        path.mkdir()
    elif kind == "a symbolic link":
        path.symlink_to(target)
    else:
        path.hardlink_to(target)


KINDS = ["a pipe", "a socket", "a folder", "a symbolic link", "a second name"]


@pytest.mark.parametrize("kind", KINDS)
def test_only_a_regular_file_of_one_name_is_changed_in_place(tmp_path: Path, precious: Path, kind: str) -> None:
    put(kind, tmp_path / "log.txt", precious)
    for flags in (os.O_RDWR, os.O_WRONLY | os.O_APPEND | os.O_CREAT):
        with pytest.raises(OSError, match=f"log.txt (is|has) {kind}"):
            open_to_write(tmp_path / "log.txt", flags)
    assert precious.read_text() == "precious"


@pytest.mark.parametrize("kind", KINDS[:3])
def test_reading_never_waits(tmp_path: Path, precious: Path, kind: str) -> None:
    put(kind, tmp_path / "file", precious)
    (tmp_path / "link").symlink_to(tmp_path / "file")
    for name in ("file", "link"):
        with pytest.raises(OSError, match=f"{name} is {kind}"):
            open_to_read(tmp_path / name)


def test_a_device_is_not_read() -> None:
    with pytest.raises(OSError, match="zero is a device"):
        open_to_read(Path("/dev/zero"))


def test_a_link_is_read(tmp_path: Path, precious: Path) -> None:
    put("a symbolic link", tmp_path / "file", precious)
    with open_to_read(tmp_path / "file") as file:
        assert file.read() == b"precious"


def test_a_missing_file_is_created_and_appended_to(tmp_path: Path) -> None:
    for content in (b"one", b"two"):
        with open_to_append(tmp_path / "log.txt") as file:
            assert os.get_blocking(file.fileno())
            file.write(content)
    assert (tmp_path / "log.txt").read_bytes() == b"onetwo"


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "a folder"])
def test_replacing_changes_nothing_but_its_own_name(tmp_path: Path, precious: Path, kind: str) -> None:
    put(kind, tmp_path / "file", precious)
    replace(tmp_path / "file", b"new")
    assert (tmp_path / "file").read_bytes() == b"new"
    assert not (tmp_path / "file").is_symlink()
    assert precious.read_text() == "precious"


def test_a_link_is_no_folder_of_a_run(tmp_path: Path, precious: Path) -> None:
    check_own_folder(tmp_path)
    check_own_folder(tmp_path / "missing")
    for kind in KINDS[:2] + KINDS[3:]:
        put(kind, tmp_path / kind, precious)
        with pytest.raises(OSError, match=f"{kind} is"):
            check_own_folder(tmp_path / kind)


def fail(number: int, *, done: bool = False, times: int = 1) -> Callable[[Path, Path], Path]:
    """Return a rename that fails so many times, although it has renamed the file if `done`."""
    real, left = Path.replace, [times]

    def rename(self: Path, target: Path) -> Path:
        if not left[0]:
            return real(self, target)
        left[0] -= 1
        if done:
            real(self, target)
        raise OSError(number, os.strerror(number))

    return rename


@pytest.mark.parametrize("number", [errno.ESTALE, errno.ENOENT])
@pytest.mark.parametrize("done", [False, True])
def test_a_lost_answer_of_a_file_server_is_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, done: bool
) -> None:
    (tmp_path / "file").write_bytes(b"old")
    monkeypatch.setattr(Path, "replace", fail(number, done=done))
    replace(tmp_path / "file", b"new", sync=True)
    assert (tmp_path / "file").read_bytes() == b"new"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("number", [errno.ESTALE, errno.EIO, errno.ENOSPC, errno.EDQUOT])
def test_a_rename_that_keeps_failing_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    (tmp_path / "file").write_bytes(b"old")
    monkeypatch.setattr(Path, "replace", fail(number, times=9))
    with pytest.raises(OSError, match=os.strerror(number)):
        replace(tmp_path / "file", b"new")
    assert (tmp_path / "file").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize(("number", "fatal"), [(errno.EINVAL, False), (errno.ENOTSUP, False), (errno.EIO, True)])
def test_a_file_system_that_cannot_sync_is_no_failure_but_a_broken_one_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, fatal: bool
) -> None:
    def no_sync(_: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", no_sync)
    try:
        replace(tmp_path / "file", b"new", sync=True)
    except OSError:
        assert fatal
        assert list(tmp_path.iterdir()) == []
    else:
        assert not fatal
        assert (tmp_path / "file").read_bytes() == b"new"


def test_what_killed_processes_left_is_removed(tmp_path: Path) -> None:
    for name in (".file.1a.tmp", ".file.tmp", ".file.22.tmp"):
        (tmp_path / name).touch()
    (tmp_path / ".file.folder.tmp").mkdir()
    (tmp_path / ".file.folder.tmp" / "draft").touch()
    (tmp_path / ".file.link.tmp").symlink_to(tmp_path)
    kept = {"file", ".other.tmp", ".nfs0001"}
    for name in kept:
        (tmp_path / name).touch()
    remove_drafts(tmp_path / "file")
    assert {path.name for path in tmp_path.iterdir()} == kept
