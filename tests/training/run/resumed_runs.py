"""Settings of runs to interrupt, and the comparison of an interrupted run with an uninterrupted one."""

import hashlib
import time
from collections.abc import Callable
from pathlib import Path

from tuitrain.config.schema import Config
from tuitrain.hosts.launch import RunSpec, create_run
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.follower import Follower
from tuitrain.training import checkpoint

Quick = Callable[..., Config]

Read = Callable[[RunFolder], Follower]

PATIENCE = 60

# Enough steps to kill the run among them, and rows at other steps than checkpoints.
LONG = ("data.batch_size=16", "training.epochs=3", "training.log_every=3", "training.checkpoint_every=0.02")

RECIPES = {
    "sgd with momentum, one-cycle, dropout": (
        "optimizer.name=sgd", "optimizer.momentum=0.9", "optimizer.lr=0.02", "schedule.name=one-cycle",
        "model.dropout=0.2", "evaluation.test_every=1",
    ),
    "adam, plateau, augmentation": (
        "schedule.name=plateau", "schedule.patience=0", "optimizer.lr=0.003", "data.augment=[shift, flip]",
    ),
    "muon, cosine, all random": (
        "optimizer.name=muon", "optimizer.momentum=0.95", "schedule.name=cosine", "schedule.warmup=0.5",
        "data.augment=[shift, rotate, erase, mixup, cutmix]", "model.dropout=0.3",
        "model.hidden=[64, 32]",
    ),
    "sgd with momentum, plateau that drops": (
        "optimizer.name=sgd", "optimizer.lr=0.1", "optimizer.momentum=0.95", "schedule.name=plateau",
        "schedule.patience=0", "model.dropout=0.1", "data.augment=[flip]",
    ),
    "unfrozen layers with their own rates, an average": (
        "finetune.freeze_epochs=1", "finetune.layer_decay=0.7", "finetune.head_lr=3", "optimizer.decay_norms=false",
        "optimizer.name=adamw", "optimizer.weight_decay=0.01", "training.ema=0.9", "model.batch_norm=true",
    ),
    "macro-F1, small improvements, class weights, balanced sampler": (
        "training.best=macro-f1", "training.min_delta=0.01", "training.class_weights=balanced",
        "data.sampler=balanced", "data.augment=[shift]", "evaluation.at_start=true", "schedule.name=plateau",
        "schedule.patience=0",
    ),
    "a network that saves for long": (
        "optimizer.name=adamw", "model.hidden=[512, 512]", "model.batch_norm=true", "optimizer.accumulate=2",
    ),
}  # fmt: skip


def until(condition: Callable[[], bool], pause: float = 0.002) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(pause)


def create(config: Config, tmp_path: Path) -> RunFolder:
    return create_run(RunSpec(config=config, runs_dir=tmp_path / "runs"))


def digest(folder: RunFolder) -> str:
    """Return the SHA-256 of the weights in the last checkpoint."""
    hashed = hashlib.sha256()
    for name, tensor in sorted(checkpoint.load(folder.checkpoints / "last.safetensors")["model"].items()):
        hashed.update(f"{name} {tensor.dtype} {tuple(tensor.shape)} ".encode() + tensor.numpy().tobytes())
    return hashed.hexdigest()


def rows(run: Follower) -> dict[str, list[float | None]]:
    """Return all columns that do not depend on the clock, with NaN as None, so that equal values compare equal."""
    curves = {"train": run.train, **run.evaluations}
    table = {f"{curve} step": list(map(float, columns.step)) for curve, columns in curves.items()}
    for curve, columns in curves.items():
        table |= {f"{curve} {name}": list(columns[name]) for name in columns.columns if name not in ("time", "seconds")}
    table |= {f"layer {number}": list(column) for number, column in enumerate(run.layers)}
    return {name: [None if value != value else value for value in column] for name, column in table.items()}


def result(run: Follower) -> tuple[object, ...]:
    state = run.state
    return state.status, state.epoch, state.step, state.train, state.validation, state.test, state.best


def assert_same(left: Follower, right: Follower) -> None:
    assert rows(left) == rows(right)
    assert result(left) == result(right)
    assert digest(left.folder) == digest(right.folder)
    assert drops(left) == drops(right)


def drops(run: Follower) -> list[tuple[int, float | None]]:
    return [(event.step, event.value) for event in run.events if event.name == "drop"]


# The validation loss rises, so the plateau schedule drops the learning rate.
FALLING = ("optimizer.name=sgd", "optimizer.lr=0.5", "optimizer.momentum=0.99", "schedule.name=plateau",
           "schedule.patience=0")  # fmt: skip
