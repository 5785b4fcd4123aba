"""tuitrain reads what the tools' own versions wrote as pandas would."""

from math import inf, isnan
from pathlib import Path

import pandas as pd
import pytest

from runs.external.following import SAMPLES, read, values
from tuitrain.runs.external.tables.format import TABLES

FILES = {
    "lightning": ("lightning/lightning_logs/version_0", "metrics.csv", "step"),
    "keras": ("keras", "training.csv", "epoch"),
    "ultralytics": ("ultralytics/train", "results.csv", "epoch"),
    "timm": ("timm", "summary.csv", "epoch"),
}


@pytest.mark.parametrize(("folder", "file", "step"), FILES.values(), ids=FILES)
def test_all_values_of_a_table(folder: str, file: str, step: str) -> None:
    # By default, pandas before version 3 rounds some numbers.
    table = pd.read_csv(SAMPLES / folder / file, float_precision="round_trip")
    theirs = {
        name: [(int(at), value) for at, value in zip(table[step], table[name], strict=True) if not isnan(value)]
        for name in table.columns
        if name not in ("step", "time")
    }
    ours = values(read(SAMPLES / folder))
    if folder.startswith("lightning"):
        # The test after the last epoch begins no epoch.
        assert theirs["epoch"].pop() == (24, 3)
    assert ours == theirs


def test_lightning() -> None:
    run = read(SAMPLES / "lightning/lightning_logs/version_0")
    assert (run.state.epoch, run.state.steps_per_epoch, run.state.step) == (3, 8, 24)
    assert len(run.train) == 12
    assert run.evaluations["validation"].only("accuracy")["accuracy"][-1] == pytest.approx(0.328125)
    assert list(run.evaluations["validation"]["epoch"]) == [1, 2, 3]
    assert run.state.test is not None
    assert run.settings == {"optimizer.lr": 0.1, "width": 16}


def test_keras() -> None:
    run = read(SAMPLES / "keras")
    assert (run.state.epoch, run.state.steps_per_epoch) == (4, 1)
    assert list(run.train["epoch"]) == [1, 2, 3, 4]
    assert run.state.best is not None
    assert (run.state.best.epoch, run.state.best.metric) == (4, "loss")
    assert all(map(isnan, run.train["time"]))
    assert isnan(run.state.seconds)
    assert run.state.started is None
    assert run.state.heartbeat == pytest.approx((SAMPLES / "keras/training.csv").stat().st_mtime)


def test_ultralytics() -> None:
    run = read(SAMPLES / "ultralytics/train")
    assert (run.state.epoch, run.state.epochs) == (3, 3)
    assert run.state.seconds == pytest.approx(run.train["seconds"][-1])
    assert list(run.evaluations["validation"]["accuracy"]) == [0.5] * 3
    assert len(run.train["lr"]) == 3
    settings = run.settings
    assert (settings["data.batch_size"], settings["optimizer.lr"], settings["training.epochs"]) == (4, 0.01, 3)


def test_timm_counts_accuracy_in_percent() -> None:
    run = read(SAMPLES / "timm")
    assert list(run.evaluations["validation"]["accuracy"]) == pytest.approx([0.40, 0.41, 0.42])
    assert (run.state.epoch, run.state.epochs, run.settings["model.name"]) == (3, 5, "resnet18")


@pytest.mark.parametrize(("folder", "file", "step"), FILES.values(), ids=FILES)
def test_cut_anywhere_nothing_fails(tmp_path: Path, folder: str, file: str, step: str) -> None:  # noqa: ARG001
    content = (SAMPLES / folder / file).read_bytes()
    path = tmp_path / file
    for size in range(len(content)):
        path.write_bytes(content[:size])
        found = TABLES.at_file(path)
        assert found is not None
        source = TABLES.open(found)
        assert not source.poll(inf)
        assert not source.problems
        lines = content[:size].count(b"\n")
        assert all(len(series.step) < lines for tags in source.series.values() for series in tags.values())
