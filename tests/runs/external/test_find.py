"""Which folders and files are runs of other tools, and which are not."""

import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from runs.external.following import SAMPLES, ids
from tuitrain.hosts.export import export
from tuitrain.runs.catalog.index import RunIndex
from tuitrain.runs.catalog.listing import all_folders, find
from tuitrain.runs.external.find import external_folders
from tuitrain.runs.external.folder import ExternalFolder
from tuitrain.runs.external.tables import format as tables
from tuitrain.runs.folder import RunFolder

RUNS = {
    "metrics.csv": "epoch,step,val_loss\n0,10,0.5\n",
    "log.csv": "epoch;loss\n0;1\n",
    "TRAINING.CSV": "Epoch,Train Loss\n1,2\n",
    "begun.csv": "epoch,loss\n",
    "log.jsonl": '{"epoch": 1, "train/loss": 2}\n',
    "metrics.jsonl": '{"step": 1, "loss": 2, "acc": 0.5}\n',
    "log.txt": '{"train_loss": 6.9, "test_acc1": 0.7, "epoch": 0}\n',
    "config-first.jsonl": '{"lr": 0.1}\n{"step": 1, "loss": 2}\n',
    "times.csv": "timestamp,step,loss\n2026-11-30 10:00:00,1,2\n",
}
OTHERS = {
    "labels.csv": "file,label\na.png,cat\n",
    "weights.csv": "epoch,weight\n1,2\n",
    "predictions.csv": "index,label,loss\n1,2,0.5\n",
    "sweep.csv": "trial,epochs,val_loss\n1,20,0.5\n",
    "texts.csv": "step,loss,comment\n1,0.5,good\n",
    "words.csv": "epoch,loss\none,two\n",
    "empty.csv": "",
    "unended.csv": "epoch,loss",
    "log.txt": "epoch 1 loss 2\n",
    "data.jsonl": '{"text": "a", "label": 1}\n',
    "array.jsonl": "[1, 2]\n",
    "loss.json": '{"step": 1, "loss": 2}\n',
    ".hidden.csv": "epoch,loss\n1,2\n",
}


@pytest.mark.parametrize(("name", "content"), RUNS.items(), ids=RUNS)
def test_runs(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / name).write_text(content)
    assert ids(tmp_path) == ["run"]


@pytest.mark.parametrize(("name", "content"), OTHERS.items(), ids=OTHERS)
def test_other_files(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / name).write_text(content)
    assert ids(tmp_path) == []


def test_a_file_that_becomes_a_run_is_found(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    path = tmp_path / "run" / "training.csv"
    for name, content in (("training.csv", "epoch,loss\n"), ("log.jsonl", '{"step": 1, "loss": 2}\n')):
        path = tmp_path / "run" / name
        path.touch()
        index = RunIndex(tmp_path)
        os.utime(tmp_path / "run", (1, 1))
        os.utime(tmp_path, (1, 1))
        os.utime(path, (1, 1))
        assert index.refresh() == []
        path.write_text(content)
        assert [entry.folder.id for entry in index.refresh()] == ["run"]
        path.unlink()


def test_another_file_is_another_run_with_the_same_id(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    index = RunIndex(tmp_path)
    for name, loss in (("a.csv", 1.0), ("b.csv", 2.0)):
        (tmp_path / "run" / name).write_text(f"epoch,loss\n0,{loss}\n")
        (entry,) = index.refresh()
        assert (entry.folder.id, entry.state.train and entry.state.train.loss) == ("run", loss)
        (tmp_path / "run" / name).unlink()


def test_a_search_opens_a_limited_number_of_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "MOST_OPENED", 25)
    for number in range(6):
        (tmp_path / f"run{number}").mkdir()
        for name in range(9):
            (tmp_path / f"run{number}" / f"{name}.csv").write_text("file,label\n" if name else "epoch,loss\n1,2\n")
    assert ids(tmp_path) == ["run0", "run1", "run2"]


def test_several_tables_in_a_folder_are_several_runs(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    for name in ("a.csv", "b.jsonl"):
        (tmp_path / "logs" / name).write_text(RUNS["log.csv" if name == "a.csv" else "log.jsonl"])
    (tmp_path / "logs" / "labels.csv").write_text(OTHERS["labels.csv"])
    assert ids(tmp_path) == ["logs/a.csv", "logs/b.jsonl"]


def test_files_of_several_tools_are_one_run_that_names_them_but_runs_in_a_database_are_their_own(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    shutil.copy(SAMPLES / "transformers" / "out" / "trainer_state.json", folder)
    (folder / "metrics.csv").write_text(RUNS["metrics.csv"])
    with closing(sqlite3.connect(folder / "shapes.db")) as connection:
        connection.executescript((SAMPLES / "trackio" / "shapes.sql").read_text())
    (run,) = (run for run in external_folders(tmp_path, []) if run.id == "run")
    assert run.title == "Hugging Face's trainer_state.json, not shown: a CSV file or JSON lines"
    assert all(id == "run" or id.startswith("run/shapes/") for id in ids(tmp_path))
    assert len(ids(tmp_path)) > 1
    named = find(tmp_path, str(folder))
    assert isinstance(named, ExternalFolder)
    assert named.title == run.title


def test_own_runs_and_exports_are_no_runs_of_other_tools(runs_dir: Path, write_run: Callable[..., RunFolder]) -> None:
    run = write_run("one")
    export(run, "csv", runs_dir / "exported.csv")
    assert [folder.id for folder in all_folders(runs_dir)] == [run.id]


def test_timm_names_its_folders_like_tuitrain(tmp_path: Path) -> None:
    folder = tmp_path / "20261130-101500-vit_base-1024"
    folder.mkdir()
    assert [run.read_only for run in all_folders(tmp_path)] == [False]
    (folder / "summary.csv").write_text("epoch,train_loss\n0,1\n")
    assert [run.read_only for run in all_folders(tmp_path)] == [True]


@pytest.mark.parametrize("content", [b"", b'{"kind":"train","step":1}\n', b"\0" * 99])
def test_metrics_of_an_own_run_stay_its_own(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "metrics.jsonl").write_bytes(content)
    assert [run.read_only for run in all_folders(tmp_path)] == [False]


def test_samples() -> None:
    mlflow = sorted((SAMPLES / "mlflow" / "mlruns").glob("*/*/meta.yaml"))
    assert ids(SAMPLES) == [
        "keras",
        "lightning/lightning_logs/version_0",
        *(f"mlflow/mlruns/{path.parent.parent.name}/{path.parent.name}" for path in mlflow),
        "timm",
        "transformers/out",
        "ultralytics/train",
        "wandb/wandb/offline-run-20261130_105121-good1234",
        "wandb/wandb/offline-run-20261130_105122-bad1234",
    ]
