import errno
import os
import shutil
import tarfile
from pathlib import Path
from typing import Any

import pytest

from hosts.pack.conftest import silent, write_index
from tuitrain.config.schema import Config
from tuitrain.config.values import override
from tuitrain.errors import PackError, RunError
from tuitrain.files import kept_draft, remove_abandoned_drafts
from tuitrain.hosts.pack import pack as module
from tuitrain.hosts.pack.bundle import write_items
from tuitrain.hosts.pack.pack import Packed, PackSpec, describe, pack
from tuitrain.hosts.pack.target import Target
from tuitrain.hosts.pack.wheels import Wheel, get_wheels


def packed(path: Path, *settings: str, force: bool = False, without_torch: bool = False) -> Packed:
    config = override(Config(), settings)
    spec = PackSpec(
        config=config, runs_dir=path.parent, path=path, target=Target("3.12", "x86_64"),
        force=force, without_torch=without_torch,
    )  # fmt: skip
    return pack(spec, silent)


@pytest.fixture
def index(fake_pip: Path) -> Path:
    tuitrain = {"version": "0.1.0", "requires": ["afake"]}
    write_index(fake_pip, {"tuitrain": tuitrain, "afake": {"tag": "cp312-cp312-manylinux_2_28_x86_64"}})
    return fake_pip


def test_a_bundle_is_one_tar_file(index: Path, tmp_path: Path) -> None:
    tuitrain = {"version": "0.1.0", "requires": ["afake", "torch", "torchvision"]}
    write_index(index, {"tuitrain": tuitrain, "afake": {"tag": "cp312-cp312-manylinux_2_28_x86_64"}})
    path = tmp_path / "new" / 'it\'s "my" bundle.tar'
    found = packed(path, "notify.command=true", without_torch=True)
    with tarfile.open(path) as archive:
        names = archive.getnames()
        assert all(not entry.uname and not entry.uid for entry in archive)
        script = archive.extractfile("install.sh")
        versions = archive.extractfile("requirements.txt")
        assert script is not None
        assert versions is not None
        text, lines = script.read().decode(), versions.read().decode()
    assert names == [
        "install.sh", "requirements.txt", "wheels/tuitrain-0.1.0-py3-none-any.whl",
        "wheels/afake-1.0-cp312-cp312-manylinux_2_28_x86_64.whl", "run.toml",
    ]  # fmt: skip
    assert lines == "tuitrain==0.1.0\nafake==1.0\n"
    assert "run.toml --trust" in text
    assert "@" not in text.replace('"$@"', "")
    assert list(path.parent.iterdir()) == [path]
    assert (found.bytes, found.glibc) == (path.stat().st_size, 28)
    first, *_, last = describe(found)
    assert first.startswith("tuitrain and 1 packages that it requires: ")
    assert last.startswith("not packed: torch and torchvision (--without-torch)")


@pytest.mark.usefixtures("index")
def test_an_existing_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "bundle.tar"
    path.write_text("mine")
    with pytest.raises(RunError, match=r"already exists. Choose another name, or replace it with --force."):
        packed(path)
    assert path.read_text() == "mine"
    packed(path, force=True)
    assert tarfile.is_tarfile(path)
    with pytest.raises(RunError, match=r"is a folder. Choose a file name."):
        packed(tmp_path, force=True)


@pytest.mark.parametrize("failure", [OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), KeyboardInterrupt()])
@pytest.mark.usefixtures("index")
def test_a_failure_leaves_no_half_bundle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: BaseException
) -> None:
    path = tmp_path / "out" / "bundle.tar"
    path.parent.mkdir()
    path.write_text("the last one")

    def fail(*_: object) -> None:
        raise failure

    monkeypatch.setattr(module, "write_items", fail)
    with pytest.raises((RunError, KeyboardInterrupt)) as error:
        packed(path, force=True)
    assert "No space left on device" in str(error.value) or isinstance(failure, KeyboardInterrupt)
    assert [file.read_text() for file in path.parent.iterdir()] == ["the last one"]


@pytest.mark.usefixtures("index")
def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    abandoned, ours = (tmp_path / f".bundle[1].tar.{word}.tmp" for word in ("1a2b", "3c4d"))
    (abandoned / "wheels").mkdir(parents=True)
    ours.mkdir()
    with kept_draft(ours):
        packed(tmp_path / "bundle[1].tar")
    assert ours.is_dir()
    assert not abandoned.exists()


@pytest.mark.usefixtures("index")
def test_another_process_keeps_the_draft(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "bundle.tar"

    def write_beside_another_process(*arguments: Any) -> None:
        remove_abandoned_drafts(path)
        write_items(*arguments)

    monkeypatch.setattr(module, "write_items", write_beside_another_process)
    packed(path)
    assert tarfile.is_tarfile(path)


def test_pip_fails(index: Path, tmp_path: Path) -> None:
    write_index(index, {"tuitrain": {"version": "0.1.0", "requires": ["nofake"]}})
    (tmp_path / "out").mkdir()
    with pytest.raises(PackError):
        packed(tmp_path / "out" / "bundle.tar")
    assert not list((tmp_path / "out").iterdir())


@pytest.mark.parametrize(
    "output",
    [
        "OSError: [Errno 28] No space left on device: '/x'\nERROR: Failed to build one or more wheels",
        "ERROR: Could not install packages due to an OSError: [Errno 122] Disk quota exceeded\n",
        "error: failed to write\n  Caused by: No space left on device (os error 28)\nwarning: end\n",
    ],
)
def test_pip_on_a_full_disk(index: Path, tmp_path: Path, output: str) -> None:
    write_index(index, {"fails": output})
    with pytest.raises(RunError) as error:
        packed(tmp_path / "out" / "bundle.tar")
    assert error.value.message == f"{tmp_path}/out/bundle.tar cannot be written: No space left on device."
    assert f"several GB, or about 300 MB with --without-torch, in {tmp_path}/out, where " in error.value.hint
    assert not list((tmp_path / "out").iterdir())


def test_a_disk_that_is_full_though_pip_does_not_say_so(
    index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_index(index, {"fails": "ERROR: Failed to build one or more wheels\n"})
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**9, 10**9, 3 * 10**6))
    with pytest.raises(RunError, match=r"No space left on device. The packages need about 300 MB in .*, where 3"):
        packed(tmp_path / "bundle.tar", without_torch=True)


@pytest.mark.usefixtures("index")
def test_a_file_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    photos, path = tmp_path / "dtd", tmp_path / "out" / "bundle.tar"
    photos.mkdir()
    (photos / "1.jpg").write_bytes(b"jpeg")
    # As root, tests can read every file: it becomes a pipe after it was listed.

    def change(*arguments: Any) -> list[Wheel]:
        (photos / "1.jpg").unlink()
        os.mkfifo(photos / "1.jpg")
        return get_wheels(*arguments)

    monkeypatch.setattr(module, "get_wheels", change)
    with pytest.raises(RunError, match=r"dtd/1\.jpg cannot be read: 1\.jpg is a pipe"):
        packed(path, "data.dataset=dtd", f"data.dir={tmp_path}")
    assert not list(path.parent.iterdir())
