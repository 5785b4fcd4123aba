"""docs/study.py writes a page about the runs of a sweep."""

import subprocess
import sys
import xml.etree.ElementTree as xml
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tuitrain.analysis.units import number
from tuitrain.runs.follower import Follower

STUDY = Path(__file__).parents[2] / "docs/study.py"
TINY = ("training.epochs=1", "training.log_every=5", "model.hidden=[8]", "optimizer.lr=0.01")


def study(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(STUDY), str(folder / "runs"), "--to", str(folder)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def rows(page: str, optimizer: str) -> list[list[str]]:
    lines = [line for line in page.splitlines() if line.startswith(f"| {optimizer} |")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_the_page_shows_the_numbers_of_the_runs(train: Callable[..., Follower], tmp_path: Path) -> None:
    runs = {
        optimizer: [train(f"optimizer.name={optimizer}", f"training.seed={seed}", *TINY) for seed in (3, 4)]
        for optimizer in ("sgd", "adam")
    }
    stopped = train("training.seed=5", *TINY).folder.state_file
    stopped.write_text(stopped.read_text().replace('"finished"', '"stopped"'))
    done = study(tmp_path)
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "study.md").read_text(encoding="utf-8")
    assert "4 runs, n = 2 seeds per setting. Unfinished runs not included: 1." in " ".join(page.split())
    for optimizer, pair in runs.items():
        accuracies = [100 * run.state.test.accuracy for run in pair if run.state.test]
        result, gradient = rows(page, optimizer)
        assert result[:4] == [optimizer, "relu", "0.01", "1"]
        assert result[4:6] == [f"{np.mean(accuracies):.2f} %", f"{np.std(accuracies, ddof=1):.2f}"]
        assert result[8] == "2"
        first, last = (np.median(np.concatenate([run.layers[layer] for run in pair])) for layer in (0, -1))
        assert gradient[4:7] == [number(value) for value in (first, last, first / last)]
    assert "McNemar" in page
    assert str(tmp_path) not in page
    assert runs["sgd"][0].info.host not in page
    (picture,) = (tmp_path / "pictures").glob("*.svg")
    assert f"(pictures/{picture.name})" in page
    labels = "".join(xml.parse(picture).getroot().itertext()).replace("\xa0", " ")
    assert all(name in labels for name in ("train loss", "train accuracy", "sgd-relu", "adam-relu"))


def test_runs_that_differ_in_other_settings_are_rejected(train: Callable[..., Follower], tmp_path: Path) -> None:
    for seed in (3, 4):
        train(f"training.seed={seed}", f"data.batch_size={16 * seed}", *TINY)
    done = study(tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "data.batch_size" in done.stderr
    assert not (tmp_path / "study.md").exists()
