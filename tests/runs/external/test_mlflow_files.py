import shutil
from math import inf
from pathlib import Path

import pytest

from runs.external.following import SAMPLES, ids, poll, read, values
from tuitrain.runs.catalog.listing import find
from tuitrain.runs.external.mlflow_files import MlflowReader

RUNS = SAMPLES / "mlflow" / "mlruns"


def copied(tmp_path: Path, name: str = "good") -> Path:
    source = find(RUNS, name).path
    shutil.copytree(source, tmp_path / "run")
    return tmp_path / "run"


def test_all_values_states_and_parameters() -> None:
    run = read(find(RUNS, "good").path)
    assert values(run) == {
        "train_loss": [(0, 2), (1, 1), (2, 2 / 3)],
        "val_acc": [(0, 0), (1, 0.3), (2, 0.6)],
        "val_loss": [(0, 1), (1, 0.5), (2, 1 / 3)],
    }
    assert (run.status, run.info.name) == ("finished", "good")
    assert run.settings == {
        "optimizer.lr": 0.1, "data.batch_size": 32, "training.epochs": 3, "optimizer.name": "sgd",
    }  # fmt: skip
    assert 0 < run.state.seconds < 60
    assert all(0 <= seconds < 60 for seconds in (*run.train["seconds"], *run.evaluations["validation"]["seconds"]))
    assert read(find(RUNS, "bad").path).status == "failed"


def test_a_metric_is_followed_and_one_that_shrinks_read_anew(tmp_path: Path) -> None:
    folder = copied(tmp_path)
    loss = folder / "metrics" / "train_loss"
    run = read(folder)
    with loss.open("a") as file:
        file.write("1796034557900 0.25 3")
        file.flush()
        poll(run)
        assert len(run.train) == 3
        file.write("\n")
    poll(run)
    assert values(run)["train_loss"][-1] == (3, 0.25)
    (folder / "metrics" / "test").mkdir()
    (folder / "metrics" / "test" / "acc").write_text("1796034557900 0.75 3\n")
    poll(run)
    assert values(run)["test/acc"] == [(3, 0.75)]
    loss.write_text("1796034557900 9 0\n")
    poll(run)
    assert values(run)["train_loss"] == [(0, 9)]
    (folder / "meta.yaml").write_text((folder / "meta.yaml").read_text().replace("status: 3", "status: 5"))
    poll(run)
    assert run.status == "stopped"


def test_epochs_are_counted_by_evaluations_or_unknown(tmp_path: Path) -> None:
    folder = copied(tmp_path)
    assert (read(folder).state.epoch, read(folder).state.epochs) == (3, 3)
    (folder / "metrics" / "val_acc").unlink()
    (folder / "metrics" / "val_loss").unlink()
    assert (read(folder).state.epoch, read(folder).state.epochs, read(folder).state.step) == (0, 0, 2)


@pytest.mark.parametrize("content", ["x\n", "1 2\n", "\x1b[31m a b\n", "\0" * 9 + "\n"])
def test_damaged_lines_are_named(tmp_path: Path, content: str) -> None:
    folder = copied(tmp_path)
    with (folder / "metrics" / "val_acc").open("a") as file:
        file.write(content + "1796034557900 0.5 9\n")
    run = read(folder)
    assert run.state.reason.startswith("metrics/val_acc is damaged: ")
    assert "\x1b" not in run.state.reason
    assert values(run)["val_acc"][-1] == (9, 0.5)


def test_cut_anywhere_nothing_fails(tmp_path: Path) -> None:
    folder = copied(tmp_path)
    for path in (folder / "metrics" / "train_loss", folder / "meta.yaml"):
        content = path.read_bytes()
        for size in range(len(content)):
            path.write_bytes(content[:size])
            source = MlflowReader(folder)
            source.poll(inf)
            assert not source.problems


def test_deleted_runs_are_none(tmp_path: Path) -> None:
    folder = copied(tmp_path)
    assert ids(tmp_path) == ["run"]
    meta = folder / "meta.yaml"
    meta.write_text(meta.read_text().replace("lifecycle_stage: active", "lifecycle_stage: deleted"))
    assert ids(tmp_path) == []
