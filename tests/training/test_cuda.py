"""Tests that need a GPU, skipped without one; cuda_graphs and test_readback.py test what runs anywhere."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest
import torch

from tuitrain.config.schema import Config, OptimizerName
from tuitrain.hosts.launch import RunSpec, create_run, resume_run, resume_stacked_runs
from tuitrain.runs.control import Inbox
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.follower import Follower
from tuitrain.training import checkpoint
from tuitrain.training import loop as loop_module
from tuitrain.training.cuda_graphs.graph import OptimizerStep
from tuitrain.training.loop import Loop

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
Quick = Callable[..., Config]
MakeInbox = Callable[..., Any]
Interrupted = Callable[[Config, str], tuple[RunFolder, RunFolder]]
Train = Callable[..., Follower]
CUDA = "training.device=cuda"
RECIPES = {
    "mlp": (),
    "augmented, clipped": (
        "data.augment=[shift, flip, crop]", "optimizer.clip_norm=1", "training.label_smoothing=0.1",
        "schedule.name=one-cycle",
    ),
    "class weights, balanced sampler": ("training.class_weights=balanced", "data.sampler=balanced"),
    "cnn in bf16": ("model.name=cnn", "model.batch_norm=true", "model.dropout=0.2", "training.precision=bf16"),
}  # fmt: skip


def disable_capture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop_module, "capture_obstacle", lambda _: "a test")


def capture_failures(run: Follower) -> list[str]:
    return [line for line in run.folder.log_file.read_text().splitlines() if "CUDA graph" in line]


@pytest.mark.parametrize("captured", [True, False], ids=["captured", "eager"])
@pytest.mark.parametrize("recipe", RECIPES)
def test_training_never_synchronizes_with_the_device(
    train: Train, monkeypatch: pytest.MonkeyPatch, recipe: str, captured: bool
) -> None:
    """Metrics rows wait for their own event alone."""
    if not captured:
        disable_capture(monkeypatch)
    start, stop = Loop.start_clock, Loop.stop_clock

    def started(self: Loop) -> None:
        start(self)
        torch.cuda.set_sync_debug_mode("error")

    def stopped(self: Loop) -> bool:
        torch.cuda.set_sync_debug_mode("default")
        return stop(self)

    monkeypatch.setattr(Loop, "start_clock", started)
    monkeypatch.setattr(Loop, "stop_clock", stopped)
    try:
        run = train(*RECIPES[recipe], CUDA, "training.epochs=2", "training.log_every=5")
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert run.state.status == "finished", run.state.reason
    assert run.train.step == [5, 10, 15, 20, 21, 25, 30, 35, 40, 42]
    assert bool(capture_failures(run)) != captured


@pytest.mark.parametrize("recipe", RECIPES)
def test_captured_steps_match_eager_ones(train: Train, monkeypatch: pytest.MonkeyPatch, recipe: str) -> None:
    settings = (*RECIPES[recipe], CUDA, "training.epochs=2", "training.log_every=1")
    captured_run = train(*settings)
    assert not capture_failures(captured_run)
    disable_capture(monkeypatch)
    eager_run = train(*settings)
    rounding = 0.1 if "bf16" in recipe else 0.01
    for name in ("loss", "grad_norm"):
        assert list(captured_run.train[name]) == pytest.approx(list(eager_run.train[name]), rel=rounding, abs=0.01), (
            name
        )


@pytest.mark.parametrize("name", get_args(OptimizerName))
def test_captured_steps_of_every_optimizer(train: Train, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    settings = (f"optimizer.name={name}", CUDA, "training.epochs=2", "training.log_every=1")
    captured_run = train(*settings)
    assert bool(capture_failures(captured_run)) == (name in ("adagrad", "muon"))
    disable_capture(monkeypatch)
    assert list(captured_run.train["loss"]) == pytest.approx(list(train(*settings).train["loss"]), rel=0.01, abs=0.01)


def test_the_gpu_gives_the_results_of_the_cpu(train: Train) -> None:
    settings = ("training.epochs=2", "training.log_every=1")
    cuda, cpu = train(*settings, CUDA), train(*settings)
    assert list(cuda.train["loss"]) == pytest.approx(list(cpu.train["loss"]), rel=0.02, abs=0.01)


@pytest.mark.parametrize("recipe", RECIPES)
def test_resumed_runs_are_bit_identical(
    quick: Quick, interrupted: Interrupted, monkeypatch: pytest.MonkeyPatch, recipe: str
) -> None:
    monkeypatch.setattr(loop_module, "POLL_INTERVAL", 0.0)
    config = quick(*RECIPES[recipe], CUDA, "training.epochs=3", "training.log_every=4", "training.deterministic=true")
    whole, cut = interrupted(config, recipe)
    expected, resumed = (checkpoint.load(folder.checkpoints / "last.safetensors")["model"] for folder in (whole, cut))
    assert all(torch.equal(resumed[name], value) for name, value in expected.items())


def test_a_run_from_the_gpu_resumes_on_the_cpu(
    quick: Quick, tmp_path: Path, poll_inbox: MakeInbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop_module, "POLL_INTERVAL", 0.0)
    folder = create_run(RunSpec(config=quick("training.epochs=2", "training.device=auto"), runs_dir=tmp_path))
    assert resume_run(folder, lambda *_: None, poll_inbox(folder, 5)).status == "stopped"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert resume_run(folder, lambda *_: None, Inbox(folder)).status == "finished"


@pytest.mark.parametrize("settings", [(), ("optimizer.name=sgd", "optimizer.clip_norm=1", "schedule.name=cosine")])
def test_stacked_runs_match_runs_trained_alone(
    quick: Quick, read: Callable[[RunFolder], Follower], tmp_path: Path, settings: tuple[str, ...]
) -> None:
    common = (*settings, CUDA, "training.epochs=2", "training.log_every=4")
    configs = [quick(*common, f"training.seed={seed}", f"optimizer.lr={0.001 * (1 + seed)}") for seed in range(3)]
    stacked, alone = (
        [create_run(RunSpec(config=config, runs_dir=tmp_path / "runs")) for config in configs] for _ in range(2)
    )
    resume_stacked_runs([(folder, Inbox(folder)) for folder in stacked], lambda *_: None)
    for folder, reference in zip(stacked, alone, strict=True):
        assert resume_run(reference, lambda *_: None, Inbox(reference)).status == folder.state().status == "finished"
        assert not capture_failures(read(folder))
        assert list(read(folder).train["loss"]) == pytest.approx(list(read(reference).train["loss"]), rel=0.01)


def test_a_run_whose_capture_fails_trains_eagerly(train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = ("model.dropout=0.2", CUDA, "training.epochs=2", "training.log_every=1")
    update = OptimizerStep.__call__

    def synchronizing_update(self: OptimizerStep) -> None:
        update(self)
        self._lr_tensors[0].item()

    monkeypatch.setattr(OptimizerStep, "__call__", synchronizing_update)
    captured_run = train(*settings)
    assert len(capture_failures(captured_run)) == 1
    disable_capture(monkeypatch)
    assert list(captured_run.train["loss"]) == pytest.approx(list(train(*settings).train["loss"]), rel=0.01, abs=0.01)


def test_fp16_learns_and_resumes(quick: Quick, interrupted: Interrupted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop_module, "POLL_INTERVAL", 0.0)
    config = quick(CUDA, "training.precision=fp16", "training.epochs=3", "training.deterministic=true")
    whole, cut = interrupted(config, "fp16")
    expected, resumed = (checkpoint.load(folder.checkpoints / "last.safetensors")["model"] for folder in (whole, cut))
    assert all(torch.equal(resumed[name], value) for name, value in expected.items())
    test = whole.state().test
    assert test is not None
    assert test.accuracy > 0.8


def test_a_run_that_needs_too_much_memory_fails_with_advice_and_frees_it(train: Train) -> None:
    total = torch.cuda.get_device_properties(0).total_memory
    # Weights fit into this memory, but not the activations of a batch: 1,000 images of 65,536 numbers are 262 MB.
    torch.cuda.set_per_process_memory_fraction(200e6 / total)
    try:
        run = train(CUDA, "model.hidden=[8, 65536]", "data.batch_size=1000", "training.epochs=1")
        assert run.state.status == "failed"
        assert "emory" in run.state.reason
        assert train(CUDA, "training.epochs=1").state.status == "finished"
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)


def test_what_the_run_uses_of_its_gpu(train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop_module, "POLL_INTERVAL", 0.0)
    monkeypatch.setattr("tuitrain.training.resources.FIRST_PAUSE", 0.0)
    run = train(CUDA, "training.epochs=100", "training.max_minutes=0.1")
    assert run.resources["memory"][-1] > 0
    assert 0 <= run.resources["gpu_use"][-1] <= 1
    assert 0 < run.resources["gpu_memory"][-1] <= 1
