"""Whatever a checkpoint contains, a finished run stays finished and readable."""

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import nullcontext, suppress
from copy import deepcopy
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tuitrain.config.schema import Config
from tuitrain.errors import RunError
from tuitrain.hosts.launch import RunSpec, create_run, resume_run
from tuitrain.runs.catalog.listing import entry
from tuitrain.runs.control import Inbox
from tuitrain.runs.folder import RunFolder
from tuitrain.training import checkpoint
from tuitrain.training.progress import TrainingProgress, _progress

Quick = Callable[..., Config]
MUTATIONS = 20
VALUES: list[Any] = [
    None, True, 0, -1, -0.5, 1e308, -1e308, 2**53 + 1, 2**63, 10**6, "", "x" * 5000, "\x1b[2J", [], {}, [1],
    torch.zeros(0), torch.tensor(float("nan")), torch.full((3,), -7), torch.tensor(2**62),
]  # fmt: skip
# The damage that did harm before: text where a number is due, numbers that overflow, halves of whole numbers.
PROGRESS = [("seconds", 1e308), ("step", -0.5), ("step", 2**60), ("epoch", 10**6), ("epochs", 0), ("lr", "0.1"),
            ("lr", -1.0), ("best", {"epoch": 1}), ("over", 3), ("correct", 10**9), ("samples", -5)]  # fmt: skip


@pytest.fixture
def finished(quick: Quick, tmp_path: Path) -> RunFolder:
    config = quick("training.epochs=2", "model.hidden=[4]", "data.batch_size=500")
    folder = create_run(RunSpec(config=config, runs_dir=tmp_path / "runs"))
    assert resume_run(folder, lambda *_: None, Inbox(folder)).status == "finished"
    return folder


def paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of every part of a saved state."""
    if path:
        yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from paths(item, (*path, key))


def mutated(state: Any, random: random.Random) -> Any:
    """Return a copy with one part replaced, removed or reshaped; each section is as likely as the others."""
    state = deepcopy(state)
    section = random.choice(list(state))
    path = random.choice([path for path in paths(state) if path[0] == section])
    part = state
    for key in path[:-1]:
        part = part[key]
    old = part[path[-1]]
    if random.random() < 0.1:
        del part[path[-1]]
    elif isinstance(old, torch.Tensor) and random.random() < 0.5:
        part[path[-1]] = random.choice([old.flatten()[:-1], old.unsqueeze(0), old.to(torch.float64), old * 0])
    else:
        part[path[-1]] = random.choice(VALUES)
    return state


def resume_with(folder: RunFolder, state: Any) -> None:
    """Resume the run for an epoch from a checkpoint with this state; assert that the run is still finished."""
    checkpoint.save(folder.checkpoints / "last.safetensors", state)
    with suppress(RunError):
        resume_run(folder, lambda *_: None, Inbox(folder), folder.state().epoch + 1)
    current = entry(folder)
    assert (current.status, current.problem) == ("finished", "")
    assert "Traceback" not in folder.log_file.read_text()


def test_no_mutation_of_a_checkpoint_harms_a_finished_run(finished: RunFolder) -> None:
    chance, state = random.Random(7), checkpoint.load(finished.checkpoints / "last.safetensors")
    for _ in range(MUTATIONS):
        resume_with(finished, mutated(state, chance))


def test_impossible_progress_is_refused(finished: RunFolder) -> None:
    state = checkpoint.load(finished.checkpoints / "last.safetensors")
    before = finished.state().step
    for name, value in PROGRESS:
        checkpoint.save(
            finished.checkpoints / "last.safetensors", state | {"progress": {**state["progress"], name: value}}
        )
        with pytest.raises(RunError, match=r"last\.safetensors does not fit this run"):
            resume_run(finished, lambda *_: None, Inbox(finished), 9)
        assert (entry(finished).status, finished.state().step) == ("finished", before)


def test_a_run_finishes_without_the_weights_of_its_best_epoch(finished: RunFolder) -> None:
    best = finished.checkpoints / "best.safetensors"
    state = checkpoint.load(finished.checkpoints / "last.safetensors")
    # No later epoch is better.
    checkpoint.save(
        finished.checkpoints / "last.safetensors", state | {"progress": state["progress"] | {"lowest": 0.0}}
    )
    best.write_bytes(b"damaged")
    assert resume_run(finished, lambda *_: None, Inbox(finished), 3).status == "finished"
    assert "the best weights cannot be tested: The checkpoint" in finished.log_file.read_text()


def test_other_threads_may_draw_random_numbers(quick: Quick, tmp_path: Path) -> None:
    """The screen and its libraries draw from Python's and NumPy's global generators while a run trains."""
    stop, states = threading.Event(), []

    def draw() -> None:
        while not stop.is_set():
            random.random()
            np.random.rand()

    for disturbed in (False, True):
        folder = create_run(RunSpec(config=quick("training.epochs=2", "model.dropout=0.2"), runs_dir=tmp_path))
        other = threading.Thread(target=draw)
        if disturbed:
            other.start()
        try:
            resume_run(folder, lambda *_: None, Inbox(folder))
        finally:
            stop.set()
            if disturbed:
                other.join()
        states.append(checkpoint.load(folder.checkpoints / "last.safetensors"))
        stop.clear()
    assert_equal(states[0], states[1])


def assert_equal(left: Any, right: Any, path: str = "") -> None:
    """Assert that two saved states are the same, except for the time that training took."""
    if isinstance(left, torch.Tensor):
        assert torch.equal(left, right), path
    elif isinstance(left, (dict, list)):
        assert type(left) is type(right)
        assert len(left) == len(right), path
        for key, item in left.items() if isinstance(left, dict) else enumerate(left):
            assert_equal(item, right[key], f"{path}.{key}")
    else:
        assert left == right or path.endswith("seconds"), path


@pytest.mark.parametrize(("epoch", "batch", "begun"), [(0, 0, 0), (0, 1, 1), (2, 0, 2), (2, 5, 3)])
def test_an_epoch_has_begun_with_its_first_mini_batch(epoch: int, batch: int, begun: int) -> None:
    assert TrainingProgress(lr=0.1, epochs=3, epoch=epoch, batch=batch).epochs_begun == begun


def test_a_run_begins_at_zero() -> None:
    counters = asdict(TrainingProgress(lr=0.1, epochs=3))
    assert {name: value for name, value in counters.items() if value} == {"lr": 0.1, "epochs": 3}


@pytest.mark.parametrize(("epoch", "batch", "begun"), [(0, 0, 0), (0, 1, 1), (0, 2, 1), (2, 0, 2), (2, 1, 3)])
def test_an_epoch_begins_with_its_first_batch(epoch: int, batch: int, begun: int) -> None:
    assert TrainingProgress(lr=0.1, epochs=3, epoch=epoch, batch=batch).epochs_begun == begun


@pytest.mark.parametrize(
    ("change", "refused"),
    [
        ({"epoch": 3}, ""),
        ({"epoch": 4}, "4 of 3"),
        ({"correct": 5, "seen": 5}, ""),
        ({"correct": 6, "seen": 5}, "6 correct"),
    ],
)
def test_progress_must_be_possible(change: dict[str, int], refused: str) -> None:
    saved = asdict(TrainingProgress(lr=0.1, epochs=3)) | change
    with pytest.raises(ValueError, match=refused) if refused else nullcontext():
        assert asdict(_progress(saved)) == saved


def test_ties_keep_the_earlier_result() -> None:
    progress = TrainingProgress(lr=0.1, epochs=9)
    assert [progress.judge(result, 0.0) for result in (0.5, 0.5, 0.4, 0.45, 0.4)] == [
        (True, True), (False, False), (True, True), (False, False), (False, False),
    ]  # fmt: skip


def test_small_improvements_add_up() -> None:
    progress = TrainingProgress(lr=0.1, epochs=9)
    judged = [progress.judge(-score, 0.1) for score in (0.5, 0.55, 0.59, 0.61, 0.7, 0.72)]
    assert judged == [(True, True), (True, False), (True, False), (True, True), (True, False), (True, True)]


@pytest.mark.parametrize("goal", ["loss", "macro-f1"])
def test_a_checkpoint_of_an_older_version_is_resumed(quick: Quick, tmp_path: Path, goal: str) -> None:
    """It has neither the reference of min_delta nor the criterion of the best epoch."""
    settings = ("training.epochs=2", "model.hidden=[4]", "data.batch_size=500", f"training.best={goal}")
    runs = [create_run(RunSpec(config=quick(*settings), runs_dir=tmp_path / name)) for name in ("old", "new")]
    bests = []
    for folder in runs:
        resume_run(folder, lambda *_: None, Inbox(folder))
        path = folder.checkpoints / "last.safetensors"
        state = checkpoint.load(path)
        if "old" in str(path):
            del state["progress"]["reference"]
            for name in ("metric", "value"):
                del state["progress"]["best"][name]
            checkpoint.save(path, state)
        bests.append(resume_run(folder, lambda *_: None, Inbox(folder), 6).best)
    old, new = (checkpoint.load(folder.checkpoints / "last.safetensors") for folder in runs)
    for name, weight in new["model"].items():
        assert torch.equal(old["model"][name], weight)
    assert bests[0] == bests[1]
    assert bests[0] is not None
    assert bests[0].epoch > 2
