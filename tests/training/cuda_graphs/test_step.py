"""Captured steps without a GPU: a function that repeats the step replaces the graph. test_cuda.py uses real graphs."""

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
import torch

from tuitrain.config.schema import Config
from tuitrain.hosts.launch import RunSpec, create_run, resume_stacked_runs
from tuitrain.runs.control import Inbox
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.follower import Follower
from tuitrain.runs.records import State
from tuitrain.training import checkpoint
from tuitrain.training import loop as loop_module
from tuitrain.training.backward import AutogradBackward
from tuitrain.training.control import try_capture
from tuitrain.training.cuda_graphs import step as captured_module
from tuitrain.training.cuda_graphs.step import GraphStep, capture_obstacle
from tuitrain.training.cuda_graphs.warmup import WARMUP_STEPS, warm_up
from tuitrain.training.loop import Loop
from tuitrain.training.setup import Setup, prepare
from tuitrain.training.stacking import interleaved as interleaved_module
from tuitrain.training.stacking import loop as stack_module
from tuitrain.training.stacking import network as stacked_module
from tuitrain.training.stacking.graph_step import StackedGraphStep
from tuitrain.training.stacking.loop import StackedTraining
from tuitrain.training.stacking.member import Member

Quick = Callable[..., Config]
MakeInbox = Callable[..., Any]
Interrupted = Callable[[Config, str], tuple[RunFolder, RunFolder]]
Train = Callable[..., Follower]
Read = Callable[[RunFolder], Follower]


def played(warm_up: Callable[[], None], step: Callable[[], None]) -> Callable[[], None]:
    """Like `capture_graph`: all later steps write to the gradients of the captured step."""
    for _ in range(WARMUP_STEPS):
        warm_up()
    step()
    parameters = step.__self__._parameters  # type: ignore[attr-defined]
    places = [parameter.grad for parameter in parameters]

    def replay() -> None:
        step()
        for parameter, place in zip(parameters, places, strict=True):
            place.copy_(parameter.grad)
            parameter.grad = None

    return replay


def capture(loop: Loop) -> GraphStep:
    made: GraphStep = vars(loop).setdefault("played", None) or GraphStep(loop.setup, loop.metrics, played)
    vars(loop)["played"] = made
    return made


RECIPES = {
    "adam": (),
    "sgd, one-cycle": (
        "optimizer.name=sgd", "optimizer.momentum=0.9", "schedule.name=one-cycle", "data.batch_size=1437",
        "data.validation=0",
    ),
    "class weights, balanced sampler": ("training.class_weights=balanced", "data.sampler=balanced"),
    "class weights, mixup": ("training.class_weights=balanced", "data.augment=[mixup]", "training.label_smoothing=0.1"),
    "clipped, shifted": ("optimizer.clip_norm=0.5", "data.augment=[shift]", "optimizer.weight_decay=0.1"),
    "cnn": ("model.name=cnn", "model.batch_norm=true", "model.dropout=0.2"),
}  # fmt: skip


@pytest.mark.parametrize("recipe", RECIPES)
def test_captured_steps_are_the_eager_ones(train: Train, monkeypatch: pytest.MonkeyPatch, recipe: str) -> None:
    # In a graph the learning rate is a float32, which this one is, too; those of a schedule are rounded to it.
    settings = (*RECIPES[recipe], "training.epochs=2", "training.log_every=5", f"optimizer.lr={2**-9}")
    rounding = 1e-4 if "schedule" in str(settings) else 0
    eager = train(*settings)
    monkeypatch.setattr(Loop, "_captured", property(capture))
    ours = train(*settings)
    assert ours.train.step == eager.train.step
    for name in ("loss", "accuracy", "lr", "grad_norm"):
        assert list(ours.train.columns[name]) == pytest.approx(list(eager.train.columns[name]), rel=rounding), name
    one, other = (checkpoint.load(run.folder.checkpoints / "last.safetensors")["model"] for run in (eager, ours))
    for name, value in one.items():
        torch.testing.assert_close(other[name], value, rtol=rounding, atol=rounding / 10)


@pytest.mark.parametrize("recipe", RECIPES)
def test_captured_runs_resume_bit_identically(
    quick: Quick, read: Read, interrupted: Interrupted, monkeypatch: pytest.MonkeyPatch, recipe: str
) -> None:
    monkeypatch.setattr(Loop, "_captured", property(capture))
    monkeypatch.setattr(loop_module, "POLL_INTERVAL", 0.0)
    config = quick(*RECIPES[recipe], "training.epochs=2", "training.log_every=4", "training.precision=bf16")
    whole, cut = interrupted(config, recipe)
    one, other = (checkpoint.load(folder.checkpoints / "last.safetensors") for folder in (whole, cut))
    assert all(torch.equal(other["model"][name], value) for name, value in one["model"].items())
    assert list(read(cut).train["loss"]) == list(read(whole).train["loss"])


@pytest.mark.parametrize("settings", [(), ("optimizer.clip_norm=0.5", "optimizer.name=sgd", "optimizer.momentum=0.9")])
def test_captured_steps_of_a_stack_are_the_eager_ones(
    quick: Quick, tmp_path: Path, poll_inbox: MakeInbox, monkeypatch: pytest.MonkeyPatch, settings: tuple[str, ...]
) -> None:
    monkeypatch.setattr(interleaved_module, "POLL_INTERVAL", 0.0)
    monkeypatch.setattr(stack_module, "InterleavedTraining", StackedTraining)
    common = (*settings, "training.epochs=2", "training.log_every=8", "schedule.name=step", "schedule.gamma=0.5")
    rates = 2**-8, 2**-8, 2**-6
    configs = [quick(*common, f"optimizer.lr={rate}", f"training.seed={seed}") for seed, rate in enumerate(rates)]

    def train() -> dict[str, torch.Tensor]:
        folders = [create_run(RunSpec(config=config, runs_dir=tmp_path / "runs")) for config in configs]
        inboxes = [Inbox(folders[0]), Inbox(folders[1]), poll_inbox(folders[2], 30)]
        ended: list[State] = []
        resume_stacked_runs(list(zip(folders, inboxes, strict=True)), lambda _, state: ended.append(state))
        assert sorted(state.status for state in ended) == ["finished", "finished", "stopped"]
        tensors: dict[str, torch.Tensor] = {}
        checkpoint._flatten([checkpoint.load(one.checkpoints / "last.safetensors") for one in folders], "", tensors)
        return tensors

    eager, form, forms = train(), StackedTraining._form, []

    def formed(self: StackedTraining, members: list[Member]) -> None:
        before = self._formed_stack
        form(self, members)
        if self._formed_stack is not before:
            forms.append(len(members))
            shape = len(members), configs[0].data.images_per_batch
            parts = self._net, self._optimizer, self._batches, self._metrics, shape, configs[0].optimizer.clip_norm
            self._captured = StackedGraphStep(*parts, played_stack)

    monkeypatch.setattr(stacked_module, "is_capturable", lambda _: True)
    monkeypatch.setattr(StackedTraining, "_form", formed)
    ours = train()
    assert forms == [3, 2]
    differing = [name for name, value in eager.items() if "rng" not in name and not torch.equal(ours[name], value)]
    assert not differing


def played_stack(warm_up: Callable[[], None], step: Callable[[], None]) -> Callable[[], None]:
    for _ in range(WARMUP_STEPS):
        warm_up()
    step()
    return step


def steps(setup: Setup) -> list[torch.Tensor]:
    """Return weights and optimizer state after some steps."""
    setup.model.train()
    backward = AutogradBackward(setup)
    for images, labels in setup.dataset.train.batches(setup.epoch_order(0)[:300], 100):
        backward(setup.normalize(images), labels, 1)
        setup.optimizer.step()
        setup.optimizer.zero_grad()
    state: dict[str, torch.Tensor] = {}
    checkpoint._flatten([setup.model.state_dict(), setup.optimizer.state_dict(), torch.rand(3)], "", state)
    return list(state.values())


@pytest.mark.parametrize("name", ["sgd", "adam", "adamw", "rmsprop", "adagrad", "nadam", "radam", "muon"])
def test_warm_up_restores_the_run(quick: Quick, name: str) -> None:
    momentum = "0" if name in ("adam", "adamw", "adagrad", "nadam", "radam") else "0.9"
    config = quick(
        f"optimizer.name={name}", f"optimizer.momentum={momentum}", "model.batch_norm=true", "model.dropout=0.1"
    )
    plain, warmed_up = (prepare(config, lambda *_: None) for _ in range(2))
    torch.manual_seed(0)
    before = steps(plain)
    again = steps(plain)
    torch.manual_seed(0)
    warm_up(warmed_up)
    # From nothing, and from a state that is there.
    assert all(map(torch.equal, steps(warmed_up), before))
    warm_up(warmed_up)
    assert all(map(torch.equal, steps(warmed_up), again))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ((), ""),
        (("model.name=cnn", "data.augment=[auto]", "optimizer.clip_norm=1", "training.precision=bf16"), ""),
        (("optimizer.accumulate=2",), "optimizer.accumulate = 2"),
        (("data.batch_size=5000",), "fewer images"),
    ],
)
def test_settings_that_prevent_capture(
    quick: Quick, monkeypatch: pytest.MonkeyPatch, settings: tuple[str, ...], words: str
) -> None:
    monkeypatch.setattr(captured_module, "is_capturable", lambda _: True)
    found = capture_obstacle(prepare(quick(*settings), lambda *_: None))
    assert words in found
    assert bool(words) == bool(found)


def test_a_transform_of_the_users_own_is_no_part_of_a_graph(
    quick: Quick, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(captured_module, "is_capturable", lambda _: True)
    (tmp_path / "mine.py").write_text("def same(images): return images\n")
    transformed = prepare(quick(f"data.transform={tmp_path}/mine.py:same"), lambda *_: None)
    assert "data.transform" in capture_obstacle(transformed)


@pytest.mark.parametrize("fails", [None, RuntimeError, AttributeError])
def test_a_run_that_is_not_captured_logs_why_and_trains_eagerly(
    train: Train, monkeypatch: pytest.MonkeyPatch, fails: type[Exception] | None
) -> None:
    def broken(*_: object) -> None:
        assert fails is not None
        raise fails("operation not permitted when stream is capturing\nmore")

    eager = train("training.epochs=2")
    phases: list[str] = []
    monkeypatch.setattr(loop_module, "capture_obstacle", lambda _: "" if fails else "an obstacle")
    monkeypatch.setattr(loop_module, "GraphStep", broken)
    tell = Loop.update_state

    def noted(self: Loop, **changes: object) -> None:
        phases.append(str(changes.get("phase", "")))
        tell(self, **changes)

    monkeypatch.setattr(Loop, "update_state", noted)
    cached = cached_property(lambda loop: try_capture([loop], loop._capture))
    cached.__set_name__(Loop, "_captured")
    monkeypatch.setattr(Loop, "_captured", cached)
    ours = train("training.epochs=2")
    words = "operation not permitted when stream is capturing" if fails else "an obstacle"
    notes = [line for line in ours.folder.log_file.read_text().splitlines() if "CUDA graph" in line]
    assert len(notes) == 1
    assert notes[0].endswith(words)
    assert [phase for phase in phases if phase][:3] == ["training", "warm-up", "training"]
    assert list(ours.train["loss"]) == list(eager.train["loss"])
