from pathlib import Path

import pytest

from tuitrain.analysis.summary import COLUMNS, cells
from tuitrain.config.schema import Config
from tuitrain.config.values import override
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.listing import Entry
from tuitrain.runs.records import Best, RunInfo, Score, ShownStatus, State


def entry(status: ShownStatus, state: State | None = None, name: str = "one", *settings: str) -> Entry:
    config = override(Config(), settings)
    return Entry(RunFolder(Path("runs/id")), RunInfo(id="id", name=name), config, state or State(), status)


def test_a_finished_run() -> None:
    best = Best(9, 900, Score(0.1, 0.9701))
    state = State(epoch=10, epochs=10, step=100, steps=100, seconds=75.2, best=best, test=Score(0.2, 0.96))
    assert cells(entry("finished", state, "adam", "data.dataset=mnist", "optimizer.lr=0.01")) == {
        "run": "adam",
        "status": "finished",
        "data": "mnist",
        "model": "mlp 128-256",
        "opt": "adam",
        "act": "relu",
        "lr": "0.01",
        "epochs": "10",
        "best val": "97.01 %",
        "test": "96.00 %",
        "time": "1:15",
    }


def test_a_running_run_says_how_far_it_is_and_how_long_it_takes() -> None:
    row = cells(entry("running", State(epoch=2, epochs=10, step=25, steps=100, seconds=30.0)))
    assert (row["status"], row["epochs"], row["time"]) == ("running 25%", "2/10", "1:30 left")


def test_a_run_that_has_not_begun() -> None:
    row = cells(entry("queued", State(epochs=10)))
    assert (row["status"], row["epochs"], row["best val"], row["test"], row["time"]) == (
        "queued",
        "0/10",
        "-",
        "-",
        "-",
    )


def test_a_paused_and_an_interrupted_run_promise_no_end() -> None:
    state = State(epoch=2, epochs=10, step=25, steps=100, seconds=30.0)
    assert (cells(entry("paused", state))["status"], cells(entry("paused", state))["time"]) == ("paused 25%", "0:30")
    assert cells(entry("interrupted", state))["time"] == "0:30"


@pytest.mark.parametrize(
    ("settings", "model"),
    [
        (["model.hidden=[]"], "mlp"),
        (["model.hidden=[32]"], "mlp 32"),
        (["model.name=resnet18", "model.hidden=[32]"], "resnet18"),
    ],
)
def test_the_widths_are_said_where_they_count(settings: list[str], model: str) -> None:
    assert cells(entry("queued", None, "n", *settings))["model"] == model


def test_a_damaged_run_says_why() -> None:
    damaged = Entry(RunFolder(Path("x")), RunInfo(id="x", name="x"), Config(), State(), "damaged", "bad \x1b[2J file")
    assert cells(damaged) == dict.fromkeys(COLUMNS, "") | {"run": "x", "status": "damaged", "data": "bad �[2J file"}


def test_no_cell_is_endless_or_moves_the_cursor() -> None:
    widths = ",".join(["128"] * 1000)
    state = State(epoch=2**53, epochs=1, step=2**53, steps=1, seconds=1e308, test=Score(1e308, 1e308))
    for status in ("running", "finished", "damaged"):
        row = cells(entry(status, state, "\x1b[2J\n" * 100, f"model.hidden=[{widths}]"))
        assert tuple(row) == COLUMNS
        assert all(text.isprintable() and len(text) <= 60 for text in row.values())
