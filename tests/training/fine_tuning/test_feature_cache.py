"""Features of a frozen backbone are shared between runs by files in the cache folder."""

import errno
import os
import re
import threading
import time
from collections.abc import Callable
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest
import torch

from forked import server
from tuitrain.cli import main
from tuitrain.config.schema import Config
from tuitrain.hosts.launch import RunSpec, create_run, resume_run
from tuitrain.image_folder import pixel_files
from tuitrain.image_folder.pixel_files import PixelFile
from tuitrain.runs.control import Inbox
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.follower import Follower
from tuitrain.training import checkpoint
from tuitrain.training.fine_tuning.feature_cache import FeatureCache
from tuitrain.training.loop import Loop
from tuitrain.training.setup import prepare

pytestmark = pytest.mark.usefixtures("one_thread")
Train = Callable[..., Follower]
PROBE = (
    "model.name=cnn", "model.channels=[4, 8]", "model.batch_norm=true", "finetune.freeze=backbone", "training.epochs=2",
)  # fmt: skip
# digits: 1,293 training, 144 validation and 360 test images.
READ, COMPUTED = "features of 1,797 images read from the cache", "features of 1,797 images computed"


def log_of(run: Follower | RunFolder) -> str:
    return (run if isinstance(run, RunFolder) else run.folder).log_file.read_text()


def assert_same_weights(first: Follower | RunFolder, second: Follower | RunFolder) -> None:
    one, other = (
        checkpoint.load((run if isinstance(run, RunFolder) else run.folder).checkpoints / "last.safetensors")
        for run in (first, second)
    )
    for part in ("model", "optimizer"):
        tensors, others = (dict(tree(state[part])) for state in (one, other))
        assert tensors.keys() == others.keys()
        assert all(torch.equal(tensors[name], others[name]) for name in tensors)


def tree(value: object, name: str = "") -> list[tuple[str, torch.Tensor]]:
    if isinstance(value, torch.Tensor):
        return [(name, value)]
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [found for key, part in items for found in tree(part, f"{name}.{key}")]


def files() -> list[PixelFile]:
    return sorted(pixel_files.pixel_files(), key=lambda file: file.header.count)


def test_a_run_that_reads_features_is_the_run_that_computes_them(train: Train) -> None:
    without, first, second = train(*PROBE, "data.cache_gb=0"), train(*PROBE), train(*PROBE)
    assert COMPUTED in log_of(without)
    assert COMPUTED in log_of(first)
    assert READ in log_of(second)
    assert_same_weights(without, first)
    assert_same_weights(first, second)
    assert first.folder.evaluation("test") == second.folder.evaluation("test")
    assert [file.header.count for file in files()] == [144, 360, 1293]


def test_a_sweep_of_the_classifier_shares_the_features(train: Train) -> None:
    train(*PROBE)
    settings = (
        *PROBE, "optimizer.lr=0.1", "training.epochs=1", "data.batch_size=17", "model.dropout=0.5",
        "optimizer.weight_decay=0.1", "optimizer.name=adamw",
    )  # fmt: skip
    shared = train(*settings)
    assert READ in log_of(shared)
    assert_same_weights(shared, train(*settings, "data.cache_gb=0"))


def path_for(config: Config) -> Path:
    """Return the file of the features of the test split."""
    setup = prepare(config, lambda *_: None)
    return FeatureCache(setup, lambda _: None).file_of(setup.dataset.test)[0]


@pytest.mark.parametrize("setting", [
    "optimizer.lr=0.1", "training.epochs=1", "data.batch_size=17", "model.dropout=0.5", "optimizer.weight_decay=0.1",
    "optimizer.name=sgd", "data.sampler=balanced", "training.label_smoothing=0.1", "training.ema=0.9",
    "finetune.freeze_norms=false",
])  # fmt: skip
def test_settings_that_leave_the_features_alone_share_them(quick: Callable[..., Config], setting: str) -> None:
    assert path_for(quick(*PROBE)) == path_for(quick(*PROBE, setting))


@pytest.mark.parametrize("setting", [
    "training.seed=1", "data.normalize=false", "training.precision=bf16", "model.channels=[4, 9]",
    "model.activation=tanh", "training.threads=2",
])  # fmt: skip
def test_settings_that_change_the_features_have_their_own(quick: Callable[..., Config], setting: str) -> None:
    assert path_for(quick(*PROBE)) != path_for(quick(*PROBE, setting))


def test_a_split_that_stays_the_same_is_read(train: Train) -> None:
    settings = (*PROBE, "data.normalize=false")
    train(*settings)
    smaller = train(*settings, "data.fraction=0.5")
    assert re.search(r"features of 504 images read from the cache, of 64\d images computed", log_of(smaller))


@pytest.mark.parametrize("damage", [
    lambda content: content[:-1] + bytes([content[-1] ^ 1]), lambda content: content[:-100], lambda _: b"",
    lambda content: b"\0" * len(content),
])  # fmt: skip
def test_damaged_features_are_computed_again(train: Train, damage: Callable[[bytes], bytes]) -> None:
    first = train(*PROBE)
    file = files()[-1]
    whole = file.path.read_bytes()
    file.path.write_bytes(damage(whole))
    second = train(*PROBE)
    assert f"the cached features in {file.path.name} are damaged and are computed again" in log_of(second)
    assert "features of 504 images read from the cache, of 1,293 images computed" in log_of(second)
    assert_same_weights(first, second)
    assert file.path.read_bytes() == whole


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_a_full_disk_does_not_fail_the_run(train: Train, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(pixel_files, "replace_by", full)
    run = train(*PROBE)
    assert run.folder.state().status == "finished"
    reason = f"writing {pixel_files.cache_folder()} failed: {os.strerror(number)}"
    assert log_of(run).count(f"the features are not cached: {reason}") == 1
    assert files() == []


def test_a_cache_folder_that_cannot_be_written_does_not_fail_the_run(train: Train) -> None:
    pixel_files.cache_folder().parent.mkdir(parents=True, exist_ok=True)
    pixel_files.cache_folder().write_text("a file")
    assert "the features are not cached: writing" in log_of(train(*PROBE))


def test_the_limit_removes_the_least_recently_used(train: Train) -> None:
    train(*PROBE)
    sizes = [file.size for file in files()]
    run = train(*PROBE, "training.seed=1", f"data.cache_gb={1.1 * sum(sizes) / 1e9}")
    assert "removed from the cache: digits-cnn-" in log_of(run)
    assert sum(file.size for file in files()) <= 1.1 * sum(sizes)
    small = train(*PROBE, "training.seed=2", f"data.cache_gb={0.9 * sizes[0] / 1e9}")
    assert "the features are not cached: they take" in log_of(small)


def test_features_are_listed_and_cleared(train: Train, capsys: pytest.CaptureFixture[str]) -> None:
    train(*PROBE)
    capsys.readouterr()
    assert main(["cache"]) == 0
    rows = capsys.readouterr().out.splitlines()[1:]
    assert sorted(int(row.split()[1]) for row in rows) == [144, 360, 1293]
    assert all("32 features of cnn" in row and row.rstrip().endswith("digits") for row in rows), rows
    assert main(["cache", "clear"]) == 0
    assert list(pixel_files.cache_folder().iterdir()) == []
    assert COMPUTED in log_of(train(*PROBE))


def test_a_run_waits_for_the_features_that_another_one_computes(train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    first = train(*PROBE)
    file = files()[-1]
    whole = file.path.read_bytes()
    file.path.unlink()
    locked, waiting, release = threading.Event(), threading.Event(), threading.Event()

    def write() -> None:
        with pixel_files.locked(file.path, lambda: False):
            locked.set()
            assert release.wait(60)
            file.path.write_bytes(whole)

    thread = threading.Thread(target=write)
    thread.start()
    assert locked.wait(60)

    def sleep(_: float) -> None:
        waiting.set()
        release.set()
        thread.join(60)

    monkeypatch.setattr("tuitrain.training.fine_tuning.feature_cache.time.sleep", sleep)
    second = train(*PROBE)
    assert waiting.is_set()
    assert READ in log_of(second)
    assert_same_weights(first, second)


def train_and_hang(folder: RunFolder, environment: dict[str, str], computing: Event) -> None:
    """Train, and wait for ever in the second batch of features."""
    os.environ |= environment
    heartbeat = Loop._heartbeat

    def hang(self: Loop, doing: str = "") -> None:
        heartbeat(self, doing)
        if doing.startswith("computing features: 500 of 1,293"):
            computing.set()
            time.sleep(600)

    Loop._heartbeat = hang  # type: ignore[method-assign, assignment]
    resume_run(folder, lambda *_: None, Inbox(folder))


def test_a_run_that_was_killed_while_it_computed_features_resumes(
    train: Train, tmp_path: Path, quick: Callable[..., Config]
) -> None:
    folder = create_run(RunSpec(config=quick(*PROBE), runs_dir=tmp_path / "runs"))
    computing = server.Event()
    process = server.Process(target=train_and_hang, args=(folder, dict(os.environ), computing))
    process.start()
    assert computing.wait(60)
    process.kill()
    process.join()
    assert files() == []
    assert resume_run(folder, lambda *_: None, Inbox(folder)).status == "finished"
    assert COMPUTED in log_of(folder)
    assert_same_weights(folder, train(*PROBE))
    assert all(path.suffix in (".features", ".lock") for path in pixel_files.cache_folder().iterdir())
