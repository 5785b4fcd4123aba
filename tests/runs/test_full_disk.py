"""A full disk ends a run with that reason; nothing saved before is lost."""

import errno
import os
import resource
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from conftest import QUICK
from forked import tuitrain
from tuitrain.cli import main
from tuitrain.config.schema import Config
from tuitrain.config.values import override
from tuitrain.errors import RunError
from tuitrain.hosts.background import resume_in_background
from tuitrain.hosts.launch import RunSpec, create_run, resume_run
from tuitrain.hosts.resources import WorkerResources
from tuitrain.hosts.sweeps.worker import Worker
from tuitrain.runs.control import Inbox
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.follower import Follower
from tuitrain.runs.sweeps.catalog import create_sweep
from tuitrain.runs.sweeps.claims import claim_job
from tuitrain.runs.sweeps.index import SweepIndex
from tuitrain.runs.sweeps.records import Job, Record
from tuitrain.training import checkpoint

Quick = Callable[..., Config]
FULL = os.strerror(errno.ENOSPC)
KB = 1024


class Disk:
    """A small separate file system."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def mount(self, size: int, how: str = "size") -> bool:
        options = f"{how},size={size}" if how.startswith("remount") else f"{how}={size}"
        command = ["mount", "-t", "tmpfs", "-o", options, "none", str(self.path)]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0

    def fill(self) -> Path:
        """Fill the disk to the last byte."""
        filler = self.path / ".filler"
        with filler.open("ab", buffering=0) as file:
            for size in (64 * KB, 1):
                try:
                    while True:
                        file.write(bytes(size))
                except OSError:
                    continue
        return filler


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    disk = Disk(tmp_path / "disk")
    disk.path.mkdir()
    if not disk.mount(64 * KB * KB):
        pytest.skip("no small disk can be mounted here")
    yield disk
    subprocess.run(["umount", str(disk.path)], check=True)


def read(folder: RunFolder) -> Follower:
    follower = Follower(folder)
    while follower.poll():
        pass
    assert (follower.problem, follower.damaged_rows) == ("", 0)
    return follower


def train(folder: RunFolder) -> Follower:
    resume_run(folder, lambda *_: None, Inbox(folder))
    return read(folder)


def weights(folder: RunFolder) -> dict[str, bytes]:
    state = checkpoint.load(folder.checkpoints / "last.safetensors")
    return {name: tensor.numpy().tobytes() for name, tensor in state["model"].items()}


def assert_shown(folder: RunFolder, capsys: pytest.CaptureFixture[str]) -> None:
    """Assert that commands that only read work on a full disk."""
    for words in (["runs"], ["runs", "--json"], ["show", folder.id], ["show", folder.id, "--json"]):
        assert main([*words, "--runs-dir", str(folder.path.parent)]) == 0
        said = capsys.readouterr()
        assert said.err == ""
        assert "failed" in said.out
        assert FULL in said.out or words == ["runs"]


SETTINGS = (*QUICK, "training.epochs=2", "training.log_every=1", "training.checkpoint_every=0.001", "data.fraction=0.5",
            "data.batch_size=2", "model.hidden=[8]")  # fmt: skip


@pytest.fixture(scope="module")
def uncut(tmp_path_factory: pytest.TempPathFactory) -> Follower:
    """A run that finished on a disk with room for it."""
    config = override(Config(), SETTINGS)
    return train(create_run(RunSpec(config=config, runs_dir=tmp_path_factory.mktemp("uncut"))))


# So many kilobytes that the first ones give out with the first rows, and the last ones within the second epoch.
@pytest.mark.parametrize("size", range(48, 180, 30))
def test_whatever_is_written_when_it_fills_up(
    disk: Disk, uncut: Follower, capsys: pytest.CaptureFixture[str], size: int
) -> None:
    folder = create_run(RunSpec(config=uncut.config, runs_dir=disk.path))
    assert disk.mount(size * KB, "remount")
    run = train(folder)
    assert run.status == "failed"
    assert FULL in run.state.reason
    assert run.state.ended is not None
    assert_shown(folder, capsys)
    at = checkpoint.load(folder.checkpoints / "last.safetensors")["progress"]["step"] if has_saved(folder) else 0
    assert run.train.step.tolist()[:at] == list(range(1, at + 1))

    assert disk.mount(64 * KB * KB, "remount")
    again = train(folder)
    assert again.status == "finished"
    assert weights(folder) == weights(uncut.folder)
    for name in ("loss", "accuracy", "grad_norm", "lr"):
        assert again.train[name] == uncut.train[name]


def has_saved(folder: RunFolder) -> bool:
    return (folder.checkpoints / "last.safetensors").exists()


def test_a_disk_that_is_full_to_the_last_byte(quick: Quick, disk: Disk, capsys: pytest.CaptureFixture[str]) -> None:
    folder = create_run(RunSpec(config=quick("training.epochs=1"), runs_dir=disk.path))
    state = folder.state()
    state.status, state.process = "stopped", None
    folder.state_file.write_bytes(msgspec.json.encode(state))
    before = {path: path.read_bytes() for path in folder.path.rglob("*") if path.is_file()}
    filler = disk.fill()
    with pytest.raises(RunError, match=f"cannot be written: {FULL}"):
        resume_run(folder, lambda *_: None, Inbox(folder))
    with pytest.raises(RunError, match=f"Cannot create a run in .*: {FULL}"):
        create_run(RunSpec(config=quick(), runs_dir=disk.path))
    assert main(["resume", folder.id, "--runs-dir", str(disk.path)]) == 2
    assert f"cannot be written: {FULL}" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in folder.path.rglob("*") if path.is_file()} == before
    filler.unlink()
    assert train(folder).status == "finished"


def test_a_full_disk_takes_no_trial_from_a_sweep(disk: Disk) -> None:
    sweep = create_sweep(disk.path / "runs", "[sweep.values]\n'optimizer.lr' = [0.1, 0.01]")
    filler = disk.fill()
    writes: list[Callable[[], None]] = [
        lambda: Worker(sweep, WorkerResources()).run(),
        lambda: sweep.extend({"seeds": 2}),
        lambda: sweep.update_control(paused=True),
        lambda: sweep.write_record(Job(0, 0), Record("a")),
    ]
    for write in writes:
        with pytest.raises(RunError, match="cannot be written: No space left on device"):
            write()
    filler.unlink()
    assert [one.status for one in SweepIndex(sweep).refresh()] == ["queued"] * 2
    claim_job(sweep, Job(0, 0))


def test_a_disk_that_can_only_be_read(quick: Quick, disk: Disk, capsys: pytest.CaptureFixture[str]) -> None:
    """A run on a read-only disk is listed, shown and evaluated; resuming it fails with the reason."""
    folder = create_run(RunSpec(config=quick("training.epochs=1"), runs_dir=disk.path))
    train(folder)
    assert disk.mount(64 * KB * KB, "remount,ro")
    before = folder.state()
    why = f"The run cannot be written: {os.strerror(errno.EROFS)}."
    for begin in (
        lambda: resume_run(folder, lambda *_: None, Inbox(folder), 2),
        lambda: resume_in_background(folder, 2),
    ):
        with pytest.raises(RunError, match=why):
            begin()
    for words in (["runs"], ["show", folder.id], ["evaluate", folder.id]):
        assert main([*words, "--runs-dir", str(disk.path)]) == 0, capsys.readouterr().err
    assert "the result cannot be stored in the run: Read-only file system" in capsys.readouterr().err
    assert main(["stop", folder.id, "--runs-dir", str(disk.path)]) == 2
    assert "Traceback" not in capsys.readouterr().err
    assert folder.state() == before


def test_on_the_screen_it_is_a_sentence(disk: Disk) -> None:
    assert disk.mount(1100 * KB, "remount")
    done = tuitrain(disk.path, "train", "--runs-dir", str(disk.path), "--set", "training.epochs=500")
    assert done.returncode == 1
    assert "failed: " in done.stderr
    assert FULL in done.stderr
    assert "The last checkpoint is kept." in done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    (path,) = (path for path in disk.path.iterdir() if not path.name.startswith("."))
    assert checkpoint.load(path / "checkpoints" / "last.safetensors")["progress"]["epoch"] >= 1


@pytest.fixture
def small_files() -> Iterator[None]:
    """Limit the size of any file that this process writes to 300 KB."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300 * KB, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.usefixtures("small_files")
def test_a_file_that_may_not_grow_is_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A limit on file size, which needs no separate disk: the second checkpoint exceeds it."""
    assert main(["train", "--runs-dir", str(tmp_path), "--name", "limited"]) == 1
    said = capsys.readouterr()
    assert os.strerror(errno.EFBIG) in said.err
    assert "Traceback" not in said.out + said.err
    (path,) = tmp_path.iterdir()
    run = read(RunFolder(path))
    assert run.status == "failed"
    assert os.strerror(errno.EFBIG) in run.state.reason
    assert checkpoint.load(path / "checkpoints" / "last.safetensors")["progress"]["step"] == 0
