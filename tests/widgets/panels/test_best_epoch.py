"""Every text about the best epoch says by which metric it is the best."""

from pathlib import Path

import pytest

from tuitrain.analysis import summary
from tuitrain.cli.output import format_scores
from tuitrain.config.schema import Config
from tuitrain.runs.catalog.listing import Entry
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.follower import Follower
from tuitrain.runs.records import Best, RunInfo, Score, State
from tuitrain.widgets.panels import live, run_report, run_summary

SCORE = Score(0.25, 0.9)
LOSS = Best(2, 20, SCORE, Score(0.3, 0.88), "loss", 0.25)
OLD = Best(2, 20, SCORE, Score(0.3, 0.88))
F1 = Best(2, 20, SCORE, Score(0.3, 0.88), "macro-f1", 0.8512)
RECALL = Best(2, 20, SCORE, Score(0.3, 0.88), "balanced-accuracy", 0.8)


def texts(best: Best) -> list[str]:
    folder = RunFolder(Path("nowhere"))
    run = Follower(folder)
    run.state = State(status="finished", epoch=3, epochs=3, step=30, validation=Score(0.5, 0.8), test=SCORE, best=best)
    entry = Entry(folder, RunInfo(id="a", name="a"), Config(), run.state, "finished")
    result = summary.result(run)
    assert result is not None
    return [
        live.numbers(run, 300).plain,
        run_report.summary(run, []).plain,
        result[1],
        run_summary.result(entry).plain,
        "\n".join(format_scores(run.state)),
    ]


@pytest.mark.parametrize("best", [LOSS, OLD], ids=["new", "of an older version"])
def test_by_loss(best: Best) -> None:
    numbers, report, title, summary, printed = texts(best)
    assert "(lowest loss 0.2500, epoch 2)" in numbers
    assert "The best epoch has the lowest validation loss: 0.2500." in report
    assert title == "best test, with the weights of epoch 2"
    assert summary.startswith("best test 88.00 % · best val 90.00 %")
    assert "best epoch (2, lowest validation loss): validation 90.00 % · loss 0.2500" in printed


@pytest.mark.parametrize(
    ("best", "name", "value"), [(F1, "macro-F1", "85.12 %"), (RECALL, "balanced accuracy", "80.00 %")]
)
def test_by_another_metric(best: Best, name: str, value: str) -> None:
    numbers, report, title, summary, printed = texts(best)
    assert f"(highest {name} {value}, epoch 2)" in numbers
    assert f"The best epoch has the highest validation {name}: {value}." in report
    assert title == f"best test by {name}, with the weights of epoch 2"
    assert summary.startswith(f"best test by {name} 88.00 % · best val by {name} 90.00 %")
    assert f"best epoch (2, highest validation {name} {value}): validation 90.00 %" in printed


def test_without_epochs_it_is_a_step() -> None:
    numbers, _, title, _, printed = texts(Best(0, 1200, SCORE, value=0.25))
    assert "(lowest loss 0.2500, step 1,200)" in numbers
    assert title == "last test"
    assert "best (step 1,200, lowest validation loss): validation 90.00 %" in printed
