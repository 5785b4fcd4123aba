"""The databases of trackio and MLflow, with the tables and rows that the tools wrote."""

import os
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

import pytest

from runs.external.following import SAMPLES, ids, poll, values
from tuitrain.runs.external.find import external_folders
from tuitrain.runs.external.follower import ExternalFollower

SQL = {"trackio": SAMPLES / "trackio" / "shapes.sql", "mlflow": SAMPLES / "mlflow" / "mlflow.sql"}
TRAIN = [(0, 2), (1, 1), (3, 2 / 3), (4, 0.5), (6, 0.4), (7, 1 / 3)]
VALIDATION = [(2, 1), (5, 0.5), (8, 1 / 3)]


def create(tool: str, folder: Path, name: str = "shapes.db") -> Path:
    with closing(sqlite3.connect(folder / name)) as connection:
        connection.executescript(SQL[tool].read_text())
    return folder / name


def follow(root: Path, name: str) -> ExternalFollower:
    (run,) = [folder.follow() for folder in external_folders(root, []) if folder.name() == name]
    poll(run)
    return run


def test_trackio(tmp_path: Path) -> None:
    create("trackio", tmp_path)
    assert [folder.id for folder in external_folders(tmp_path, [])] == ["shapes/second", "shapes/first"]
    run = follow(tmp_path, "first")
    found = values(run)
    assert (found["train/loss"], found["val/loss"], found["epoch"][-1]) == (TRAIN, VALIDATION, (7, 2))
    assert run.settings == {"optimizer.lr": 0.1, "data.batch_size": 32, "training.epochs": 3}
    assert (run.state.epoch, run.info.name) == (3, "first")


def test_mlflow(tmp_path: Path) -> None:
    create("mlflow", tmp_path)
    assert [folder.id for folder in external_folders(tmp_path, [])] == ["shapes/bad", "shapes/good"]
    run = follow(tmp_path, "good")
    assert values(run) == {
        "train_loss": [(0, 2), (1, 1), (2, 2 / 3)],
        "val_loss": [(0, 1), (1, 0.5), (2, 1 / 3)],
        "val_acc": [(0, 0), (1, 0.3), (2, 0.6)],
    }
    assert run.settings == {
        "optimizer.lr": 0.1, "data.batch_size": 32, "training.epochs": 3, "optimizer.name": "sgd",
    }  # fmt: skip
    assert (run.status, follow(tmp_path, "bad").status) == ("finished", "failed")


@pytest.mark.parametrize("journal", ["WAL", "DELETE", "PERSIST"])
def test_a_writer_is_not_disturbed(tmp_path: Path, journal: str) -> None:
    path = create("trackio", tmp_path)
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute(f"PRAGMA journal_mode = {journal}")
        run = follow(tmp_path, "second")
        add = """INSERT INTO metrics(run_id, run_name, timestamp, step, metrics)
                 SELECT run_id, run_name, ?, ?, ? FROM configs"""
        for step in range(9, 30):
            writer.execute("BEGIN IMMEDIATE")
            writer.execute(add, ("2026-11-30T10:29:07+00:00", step, f'{{"train/loss": {step}, "bad": "NaN"}}'))
            before = {file.name: file.stat().st_mtime_ns for file in tmp_path.iterdir()}
            # Before the end of the transaction, its rows are not visible.
            poll(run)
            assert values(run)["train/loss"][-1][0] == (step - 1 if step > 9 else 7)
            assert {file.name: file.stat().st_mtime_ns for file in tmp_path.iterdir()} == before
            writer.execute("COMMIT")
            poll(run)
            assert values(run)["train/loss"][-1] == (step, step)
        if journal == "WAL":
            # Another reader would keep the log from being emptied.
            assert writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone() == (0, 0, 0)
        poll(run)
        assert len(values(run)["bad"]) == 21
        assert not run.state.reason


def test_nothing_is_left_in_the_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "temporary").mkdir()
    (tmp_path / "store").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", os.fspath(tmp_path / "temporary"))
    path = create("trackio", tmp_path / "store")
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("PRAGMA journal_mode = WAL")
        writer.execute("DELETE FROM metrics WHERE step = 0")
        assert values(follow(tmp_path / "store", "first"))["train/loss"] == TRAIN[1:]
    assert list((tmp_path / "temporary").iterdir()) == []


def test_cut_anywhere_nothing_fails(tmp_path: Path) -> None:
    path = create("trackio", tmp_path)
    run = follow(tmp_path, "first")
    content = path.read_bytes()
    reasons = set()
    for size in range(0, len(content), 509):
        path.write_bytes(content[:size])
        for folder in external_folders(tmp_path, []):
            poll(folder.follow())
        poll(run)
        reasons.add(run.problem or run.state.reason)
    assert "shapes.db cannot be read: database disk image is malformed." in reasons
    path.write_bytes(content)
    poll(run)
    assert values(run)["train/loss"] == TRAIN
    assert not run.state.reason


def test_other_databases_are_no_runs(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("no database")
    with closing(sqlite3.connect(tmp_path / "own.db")) as connection:
        connection.executescript("CREATE TABLE metrics(x); CREATE TABLE runs(y)")
    with closing(sqlite3.connect(tmp_path / "other.db")) as connection:
        connection.executescript("CREATE TABLE metrics(x); CREATE TABLE configs(y); CREATE TABLE system_metrics(z)")
    assert ids(tmp_path) == []


def test_runs_of_the_same_name_are_told_apart(tmp_path: Path) -> None:
    path = create("trackio", tmp_path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE metrics SET run_name = '\x1b[31mx'")
        connection.commit()
        keys = [key for (key,) in connection.execute("SELECT DISTINCT run_id FROM metrics")]
    assert ids(tmp_path) == sorted(f"shapes/\ufffd[31mx-{key[:6]}" for key in keys)
