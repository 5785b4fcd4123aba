"""Several ranks give the results of one process with the same global batches."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch.distributed import TCPStore  # type: ignore[attr-defined]

from forked import server
from training.distributed.ranks import train_runs
from tuitrain.config.schema import Config
from tuitrain.config.values import override
from tuitrain.hosts.launch import RunSpec, create_run
from tuitrain.runs.control import Inbox
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.follower import Follower
from tuitrain.training.run import train_run
from tuitrain.training.setup import prepare

QUICK = ("training.device=cpu", "training.threads=1", "training.epochs=2")
FEW = ("data.fraction=0.08", "training.epochs=1")  # 100 training images
RANKS = 3
RANDOM = ("model.dropout=0.3", "data.augment=shift,mixup", "data.batch_size=11", *FEW, "training.epochs=4")
Runs = dict[str, RunFolder]
Read = Callable[[RunFolder], Follower]
# No batch and no epoch divides evenly.
RUNS: dict[str, tuple[str, ...]] = {
    "mlp": ("data.batch_size=61", "optimizer.name=sgd", "optimizer.lr=0.1", "evaluation.at_start=true",
            "training.log_every=1", "data.fraction=0.4"),
    "accumulated": (
        "data.batch_size=61", "optimizer.accumulate=4", "optimizer.clip_norm=0.5", "training.class_weights=balanced",
        "training.label_smoothing=0.1", "training.ema=0.9", "training.best=accuracy", "training.log_every=3",
        "data.fraction=0.4",
    ),
    "cnn with batch norm": (
        "model.name=cnn", "model.channels=8", "model.batch_norm=true", "data.batch_size=127", "optimizer.name=muon",
        "optimizer.lr=0.02", "data.fraction=0.4",
    ),
    "four images per batch": ("data.batch_size=4", *FEW),
    "two images per batch": ("data.batch_size=2", "training.class_weights=balanced", "model.hidden=16", *FEW),
    "two images in the last batch": (
        "data.batch_size=98", "data.sampler=balanced", "model.name=cnn", "model.channels=8", "model.batch_norm=true",
        "optimizer.name=sgd", "optimizer.lr=0.05", *FEW, "training.epochs=4",
    ),
}  # fmt: skip
if (data := os.environ.get("TUITRAIN_TEST_DATA")) and (Path(data) / "MNIST" / "raw").is_dir():
    RUNS["mnist"] = ("data.dataset=mnist", f"data.dir={data}", "data.batch_size=500", "training.epochs=1")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    """The runs, each trained by several ranks."""
    runs_dir = tmp_path_factory.mktemp("ranks")
    folders = {name: _create(runs_dir, settings) for name, settings in RUNS.items()}
    folders |= {name: _create(runs_dir, RANDOM, name) for name in ("commanded", "whole", "cut", "shrunk", "grown")}
    _train_alone(folders["grown"])
    store = TCPStore("localhost", 0, is_master=True, wait_for_workers=False)
    logs = [runs_dir / f"{rank}.log" for rank in range(RANKS)]
    processes = [
        server.Process(target=train_runs, args=(rank, RANKS, store.port, list(folders.values()), log))
        for rank, log in enumerate(logs)
    ]
    for process in processes:
        process.start()
    try:
        for process, log in zip(processes, logs, strict=True):
            process.join(300)
            assert process.exitcode == 0, log.read_text()
        yield folders
    finally:
        for process in processes:
            process.kill()
            process.join()


def _create(runs_dir: Path, settings: tuple[str, ...], name: str = "") -> RunFolder:
    config: Config = override(Config(), (*QUICK, *settings))
    return create_run(RunSpec(config=config, runs_dir=runs_dir, name=name))


def _train_alone(folder: RunFolder) -> None:
    """Train a run in this process until its first poll for commands stops it."""
    inbox = Inbox(folder)
    inbox.put("stop")
    assert train_run(folder, lambda: prepare(folder.config(), lambda *_: None), inbox).status == "stopped"


@pytest.mark.parametrize("name", RUNS)
def test_ranks_train_as_one_process(name: str, shared: Runs, tmp_path: Path, read: Read) -> None:
    alone = _create(tmp_path, RUNS[name])
    train_run(alone, lambda: prepare(alone.config(), lambda *_: None), Inbox(alone))

    one, several = read(alone), read(shared[name])
    assert several.train.step == one.train.step
    for column in ("loss", "lr", "accuracy", "grad_norm"):
        together, expected = several.train.columns[column], one.train.columns[column]
        assert together == pytest.approx(expected, rel=1e-3, abs=2e-3), column
    assert several.state.samples_per_second > 0
    assert several.state.best is not None
    assert one.state.best is not None
    assert (several.state.best.epoch, several.state.epoch) == (one.state.best.epoch, one.state.epoch)
    for split in ("validation", "test"):
        own, expected_evaluation = shared[name].evaluation(split), alone.evaluation(split)
        assert own is not None
        assert expected_evaluation is not None
        assert (own.fingerprint, own.true) == (expected_evaluation.fingerprint, expected_evaluation.true)
        assert sum(map(sum, own.confusion)) == sum(map(sum, expected_evaluation.confusion)) == len(own.true) / 2
        assert own.loss == pytest.approx(expected_evaluation.loss, rel=1e-3)
        assert own.accuracy == pytest.approx(expected_evaluation.accuracy, abs=0.01)
    weights = [_weights(folder) for folder in (alone, shared[name])]
    assert weights[0].keys() == weights[1].keys()
    for key, value in weights[0].items():
        torch.testing.assert_close(weights[1][key], value, rtol=1e-3, atol=1e-3)


def _weights(folder: RunFolder) -> dict[str, torch.Tensor]:
    tensors = load_file(folder.checkpoints / "last.safetensors")
    return {name: tensor for name, tensor in tensors.items() if name.startswith("model.")}


def test_all_ranks_have_the_same_weights_also_after_a_command(shared: Runs, read: Read) -> None:
    for folder in shared.values():
        assert len({(folder.path / f"weights-of-rank-{rank}").read_text() for rank in range(RANKS)}) == 1
    run = read(shared["commanded"])
    assert [event.value for event in run.events if event.name == "lr"] == [0.002]
    assert (run.train.columns["lr"][0], run.train.columns["lr"][-1]) == (0.001, 0.002)
    assert run.info.devices == RANKS


def test_a_stopped_run_resumes_exactly(shared: Runs, read: Read) -> None:
    """Augmentation, mixup and dropout draw from the generators of each rank."""
    whole, cut = read(shared["whole"]), read(shared["cut"])
    assert [event.name for event in cut.events] == ["started", "stopped", "continued", "finished"]
    assert cut.train.columns["loss"] == whole.train.columns["loss"]
    assert cut.state.test == whole.state.test
    weights = [load_file(shared[name].checkpoints / "last.safetensors") for name in ("whole", "cut")]
    assert weights[0].keys() == weights[1].keys()
    assert all(torch.equal(weights[1][key], value) for key, value in weights[0].items())


def test_a_run_continues_on_another_number_of_devices(shared: Runs, read: Read) -> None:
    shrunk = shared["shrunk"]
    assert shrunk.state().status == "stopped"
    train_run(shrunk, lambda: prepare(shrunk.config(), lambda *_: None), Inbox(shrunk))
    for name, change in (("shrunk", "from 3 to 1"), ("grown", "from 1 to 3")):
        run = read(shared[name])
        assert (run.state.status, run.state.epoch) == ("finished", 4)
        assert f"the number of devices changed {change}: the batches stay the same" in " ".join(run.log)
        assert run.train.step == read(shared["whole"]).train.step
