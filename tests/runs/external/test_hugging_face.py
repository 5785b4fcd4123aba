import json
import os
import shutil
from math import inf
from pathlib import Path

import pytest

from runs.external.following import SAMPLES, ids, poll, read, values
from tuitrain.runs.external.format import Found
from tuitrain.runs.external.hugging_face import HUGGING_FACE

SAMPLE = SAMPLES / "transformers" / "out"
CHECKPOINT = SAMPLE / "checkpoint-8" / "trainer_state.json"


def test_all_values_of_the_history() -> None:
    history = json.loads((SAMPLE / "trainer_state.json").read_text())["log_history"]
    theirs: dict[str, list[tuple[int, float]]] = {}
    for entry in history:
        for name, value in entry.items():
            if name != "step":
                theirs.setdefault(name, []).append((entry["step"], value))
    run = read(SAMPLE)
    assert values(run) == theirs
    assert (run.status, run.state.epoch, run.state.epochs, run.state.steps_per_epoch) == ("finished", 3, 3, 4)
    assert list(run.evaluations["validation"].step) == [4, 8, 12]
    assert run.evaluations["validation"]["accuracy"][0] == 0.4375
    assert len(run.train.only("grad_norm")) == 6
    assert run.settings == {"training.epochs": 3, "data.batch_size": 8, "max_steps": 12}


def test_the_newest_state_counts(tmp_path: Path) -> None:
    shutil.copytree(CHECKPOINT.parent.parent / "checkpoint-4", tmp_path / "out" / "checkpoint-4")
    os.utime(tmp_path / "out/checkpoint-4/trainer_state.json", (1, 1))
    assert ids(tmp_path) == ["out"]
    run = read(tmp_path / "out")
    assert (run.state.step, run.state.epoch, run.status) == (4, 1, "finished")
    shutil.copytree(CHECKPOINT.parent, tmp_path / "out" / "checkpoint-8")
    poll(run)
    assert (run.state.step, run.state.epoch, run.state.epochs) == (8, 2, 3)


def test_a_run_with_event_files_is_theirs(tmp_path: Path) -> None:
    shutil.copytree(CHECKPOINT.parent, tmp_path / "out" / "checkpoint-8")
    (tmp_path / "out" / "runs" / "Nov24").mkdir(parents=True)
    (tmp_path / "out" / "runs" / "Nov24" / "events.out.tfevents.1.x").touch()
    assert ids(tmp_path) == ["out/runs/Nov24"]


def test_cut_anywhere_it_is_damaged(tmp_path: Path) -> None:
    content = CHECKPOINT.read_bytes()
    path = tmp_path / "trainer_state.json"
    for size in range(len(content.rstrip())):
        path.write_bytes(content[:size])
        source = HUGGING_FACE.open(Found(tmp_path))
        source.poll(inf)
        assert source.problems == ["trainer_state.json is damaged: it has no log_history."]


@pytest.mark.parametrize("content", [b"[]", b'{"log_history": 3}', b"[" * 100_000, b"\xff"])
def test_damage_is_named_and_the_last_good_state_stays(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "trainer_state.json"
    shutil.copy(CHECKPOINT, path)
    run = read(tmp_path)
    path.write_bytes(content)
    poll(run)
    assert run.state.reason == "trainer_state.json is damaged: it has no log_history."
    assert run.state.step == 8


def test_entries_that_make_no_sense(tmp_path: Path) -> None:
    history = (
        '[1, null, {"loss": NaN, "step": 1}, {"loss": "x", "step": 2.5}, {"loss": 1e999, "step": -1}, {"loss": 3}]'
    )
    (tmp_path / "trainer_state.json").write_text(f'{{"log_history": {history}, "max_steps": "x"}}')
    run = read(tmp_path)
    assert not run.problem
    assert run.train["loss"][-1] == 3
