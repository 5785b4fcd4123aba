"""Interleaved runs are bit-identical to runs trained alone, stacked runs equal within float rounding."""

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import pytest
import torch

from tuitrain.config.schema import Config
from tuitrain.hosts.launch import RunSpec, create_run, resume_run, resume_stacked_runs
from tuitrain.runs.control import Command, CommandName, Inbox
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.follower import Follower
from tuitrain.runs.records import State
from tuitrain.training import checkpoint
from tuitrain.training.backward import DirectBackward
from tuitrain.training.stacking import interleaved as interleaved_module
from tuitrain.training.stacking import loop, member
from tuitrain.training.stacking.loop import StackedTraining
from tuitrain.training.stacking.network import StackedMLP

Quick = Callable[..., Config]
Read = Callable[[RunFolder], Follower]
Alone = Callable[[Config], RunFolder]
EPOCHS = 2


class Scripted(Inbox):
    """Sends commands at the given polls, counted from 1."""

    def __init__(self, folder: RunFolder, commands: dict[int, list[Command]]) -> None:
        super().__init__(folder)
        self.looks, self.commands = 0, commands

    def new(self) -> list[Command]:
        self.looks += 1
        return super().new() + self.commands.pop(self.looks, [])


def command(name: CommandName, value: float | None = None) -> Command:
    return Command(name, 0.0, value, "test")


@pytest.fixture(autouse=True, params=["turns", "stack"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Train interleaved or stacked, and poll commands after every step."""
    for module in (member, interleaved_module):
        monkeypatch.setattr(module, "POLL_INTERVAL", 0.0)
    if request.param == "stack":
        monkeypatch.setattr(loop, "InterleavedTraining", StackedTraining)
    return str(request.param)


def together(folders: Sequence[RunFolder], inboxes: Sequence[Inbox] = ()) -> dict[str, State]:
    ended: dict[str, State] = {}
    runs = list(zip(folders, inboxes or [Inbox(folder) for folder in folders], strict=True))
    resume_stacked_runs(runs, lambda folder, state: ended.update({folder.path.name: state}))
    assert len(ended) == len(folders)
    return ended


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Alone:
    """`alone(config)` returns a run trained alone, once per module."""

    @cache
    def trained(config: Config) -> RunFolder:
        folder = create_run(RunSpec(config=config, runs_dir=tmp_path_factory.mktemp("alone")))
        resume_run(folder, lambda *_: None, Inbox(folder))
        return folder

    return trained


def stacked(configs: Sequence[Config], tmp_path: Path) -> list[RunFolder]:
    return [
        create_run(RunSpec(config=config, runs_dir=tmp_path / "runs", name=f"r{n}")) for n, config in enumerate(configs)
    ]


def tensors(folder: RunFolder, name: str = "last") -> dict[str, torch.Tensor]:
    """Return weights and optimizer state of a checkpoint."""
    state = checkpoint.load(folder.checkpoints / f"{name}.safetensors")
    found = dict(state["model"])
    for place, values in state.get("optimizer", {}).get("state", {}).items():
        found |= {f"{place}.{key}": value for key, value in values.items()}
    return found


def same_tensors(one: RunFolder, other: RunFolder, way: str, name: str = "last") -> None:
    ours, theirs = tensors(one, name), tensors(other, name)
    assert ours.keys() == theirs.keys()
    relative, absolute = (1e-4, 1e-5) if way == "stack" else (0, 0)
    for key, value in theirs.items():
        torch.testing.assert_close(ours[key], value, rtol=relative, atol=absolute)


def same(one: RunFolder, other: RunFolder, way: str, read: Read) -> None:
    for name in ("last", "best"):
        same_tensors(one, other, way, name)
    mine, yours = read(one), read(other)
    assert mine.train.step == yours.train.step
    for name in ("loss", "accuracy", "lr", "grad_norm"):
        assert mine.train.columns[name] == pytest.approx(yours.train.columns[name], rel=1e-3), name
    for split in ("validation", "test"):
        seen, expected = mine.evaluations[split], yours.evaluations[split]
        assert seen.step == expected.step
        assert seen.columns["loss"] == pytest.approx(expected.columns["loss"], rel=1e-4)
        assert seen.columns["accuracy"] == expected.columns["accuracy"]
    assert [event.name for event in mine.events] == [event.name for event in yours.events]
    assert mine.state.step == yours.state.step
    assert (mine.info.mean, mine.info.sizes) == (yours.info.mean, yours.info.sizes)


@pytest.mark.parametrize(
    "settings",
    [
        ("optimizer.name=adam",),
        ("optimizer.name=sgd", "optimizer.momentum=0.9", "model.activation=tanh", "training.label_smoothing=0.1"),
        ("optimizer.name=adamw", "schedule.name=cosine", "optimizer.clip_norm=1", "data.normalize=false"),
        ("optimizer.name=sgd", "model.hidden=[]", "data.validation=0.3", "training.patience=1", "training.epochs=3"),
        ("data.sampler=balanced", "data.fold=2/3", "data.fraction=0.5", "training.best=macro-f1"),
    ],
)
def test_stacked_runs_are_those_trained_alone(
    settings: tuple[str, ...], way: str, quick: Quick, read: Read, alone: Alone, tmp_path: Path
) -> None:
    common = (f"training.epochs={EPOCHS}", "training.log_every=8", *settings)
    configs = [
        quick(*common, "training.seed=3"),
        quick(*common, "training.seed=4"),
        quick(*common, "training.seed=3", "optimizer.lr=0.01"),
        quick(*common, "training.seed=5", "optimizer.lr=0.01", "optimizer.weight_decay=0.1"),
    ]
    folders = stacked(configs, tmp_path)
    assert {state.status for state in together(folders).values()} == {"finished"}
    for config, folder in zip(configs, folders, strict=True):
        same(folder, alone(config), way, read)


def test_each_run_of_a_stack_is_steered_by_its_own_commands(
    way: str, quick: Quick, read: Read, alone: Alone, tmp_path: Path
) -> None:
    configs = [quick(f"training.epochs={EPOCHS}", f"training.seed={seed}") for seed in range(5)]
    folders = stacked(configs, tmp_path)
    scripts: list[dict[int, list[Command]]] = [
        {},
        {5: [command("stop")]},
        {7: [command("pause")], 12: [command("resume")]},
        {4: [command("epochs", EPOCHS + 1.0)]},
        {9: [command("lr", 0.01)]},
    ]
    states = together(folders, [Scripted(*pair) for pair in zip(folders, scripts, strict=True)])
    assert [states[folder.id].status for folder in folders] == ["finished", "stopped", *["finished"] * 3]
    assert 0 < states[folders[1].id].step < 21
    assert states[folders[3].id].epoch == EPOCHS + 1
    for place in (0, 2):
        reference = read(alone(configs[place]))
        ours = read(folders[place])
        assert ours.evaluations["test"].columns["loss"] == pytest.approx(
            reference.evaluations["test"].columns["loss"], rel=1e-4
        )
    assert [event.name for event in read(folders[2]).events] == ["started", "paused", "resumed", "finished"]
    # The one that was stopped goes on alone, and ends as if nothing had been.
    assert resume_run(folders[1], lambda *_: None, Inbox(folders[1])).status == "finished"
    same_tensors(folders[1], alone(configs[1]), way)


def test_runs_that_were_cut_at_different_steps_catch_up_and_end_together(
    way: str, quick: Quick, read: Read, alone: Alone, tmp_path: Path
) -> None:
    configs = [quick(f"training.epochs={EPOCHS}", f"training.seed={seed}") for seed in range(4)]
    folders = stacked(configs, tmp_path)
    scripts: list[dict[int, list[Command]]] = [
        {3: [command("detach")]},
        {3: [command("detach")]},
        {30: [command("detach")]},
    ]
    first = together(folders[:3], [Scripted(*pair) for pair in zip(folders, scripts, strict=False)])
    assert {state.status for state in first.values()} == {"queued"}
    assert {state.status for state in together(folders).values()} == {"finished"}
    for config, folder in zip(configs, folders, strict=True):
        same_tensors(folder, alone(config), way)
        rows = read(folder).train.step
        assert list(rows) == sorted(set(rows))


def test_a_loss_that_is_no_number_ends_that_run_alone(quick: Quick, alone: Alone, tmp_path: Path) -> None:
    common = ("optimizer.name=sgd", f"training.epochs={EPOCHS}", "training.log_every=5")
    configs = [quick(*common), quick(*common, "optimizer.lr=1e20"), quick(*common, "training.seed=1")]
    folders = stacked(configs, tmp_path)
    states = together(folders)
    assert [states[folder.id].status for folder in folders] == ["finished", "failed", "finished"]
    bad = alone(configs[1]).state()
    assert states[folders[1].id].reason == bad.reason
    assert states[folders[2].id].test == pytest.approx(alone(configs[2]).state().test)


def test_an_error_of_the_stack_ends_each_run(quick: Quick, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise MemoryError

    for one in (StackedMLP, DirectBackward):
        monkeypatch.setattr(one, "__call__", broken)
    states = together(stacked([quick(), quick("training.seed=1")], tmp_path))
    assert {state.status for state in states.values()} == {"failed"}
    assert all(state.reason.startswith("Out of memory on") for state in states.values())
