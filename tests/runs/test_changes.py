"""Settings changed during a run appear wherever settings are shown."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tuitrain.analysis.table import query
from tuitrain.analysis.table.columns import column
from tuitrain.analysis.table.group_rows import group_entries
from tuitrain.analysis.table.layout import default_columns, differing_settings, sort_entries
from tuitrain.cli import main
from tuitrain.config.schema import Config
from tuitrain.config.values import override
from tuitrain.runs.catalog.listing import Entry
from tuitrain.runs.changes import Changed, at_start, changes, lr_curve, present
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.records import RunInfo, State
from tuitrain.runs.writer import RunWriter, create
from written_runs import list_runs

Make = Callable[..., RunFolder]


@pytest.fixture(autouse=True)
def utf8(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "C.UTF-8")


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """`make(name, settings, **state)` writes a run started with 10 epochs and learning rate 0.5."""

    def make(name: str, *settings: str, **state: Any) -> RunFolder:
        config = override(Config(), ["training.epochs=10", "optimizer.lr=0.5", *settings])
        folder = create(tmp_path / "runs", RunInfo(id=name, name=name), config)
        writer = RunWriter(folder)
        writer.update(status="finished", now=True, **({"epoch": 10, "step": 100} | state))
        writer.close()
        return folder

    return make


def runs(folder: RunFolder) -> list[Entry]:
    return sorted(list_runs(folder.path.parent), key=lambda run: run.folder.id)


def test_a_setting_changed_back_counts_as_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    values = [Changed(0.5, 0.05), Changed(60, 45), Changed(0.5, 0.5)]
    assert list(map(str, values)) == ["0.5→0.05", "60→45", "0.5→…→0.5"]
    monkeypatch.setenv("LC_ALL", "C")
    assert list(map(str, values)) == ["0.5->0.05", "60->45", "0.5->...->0.5"]


def test_the_table_shows_it_and_sorts_and_filters_by_the_value_at_the_start(make: Make) -> None:
    make("a", epochs=12, epoch=12)
    make("b", "optimizer.lr=0.1", lr=0.9)
    entries = runs(make("c", epochs=20, epoch=7, lr=0.05))
    shown = {name: [column(name).text(entry) for entry in entries] for name in ("lr", "epoch", "planned")}
    assert shown == {
        "lr": ["0.5", "0.1→0.9", "0.5→0.05"],
        "epoch": ["12", "10", "7/20"],
        "planned": ["10→12", "10", "10→20"],
    }
    assert [entry.folder.id for entry in sort_entries(entries, column("lr"), falling=True)] == ["a", "c", "b"]
    assert [entry.folder.id for entry in entries if query.parse("lr=0.5")(entry)] == ["a", "c"]


def test_runs_of_which_one_was_changed_differ_and_are_no_seeds_of_one_study(make: Make) -> None:
    make("a", "training.seed=1")
    make("b", "training.seed=2")
    make("c", "training.seed=3", lr=0.05)
    entries = runs(make("d", "training.seed=4", lr=0.05))
    assert differing_settings(entries) == ["optimizer.lr", "training.seed"]
    assert differing_settings(entries[2:]) == ["training.seed"]
    assert "optimizer.lr" in default_columns(entries)
    assert [row.folder.id for row in group_entries(entries)] == ["a", "c"]


def said(capsys: pytest.CaptureFixture[str], folder: RunFolder, *arguments: str) -> str:
    assert main([*arguments, "--runs-dir", str(folder.path.parent)]) == 0
    return capsys.readouterr().out


def test_the_commands_say_it(make: Make, capsys: pytest.CaptureFixture[str]) -> None:
    make("a")
    b = make("b", epochs=12, lr=0.05)
    assert "optimizer.lr=0.5→0.05" in said(capsys, b, "show", "b")
    assert "training.epochs=10→12" in said(capsys, b, "show", "b")
    changed = {"optimizer.lr": 0.05, "training.epochs": 12}
    shown = json.loads(said(capsys, b, "show", "b", "--json"))
    assert (shown["changed"], shown["config"]["optimizer.lr"]) == (changed, 0.5)
    assert [run["changed"] for run in json.loads(said(capsys, b, "runs", "--sort", "run", "--json"))] == [{}, changed]
    assert "0.5→0.05" in said(capsys, b, "compare", "a", "b")
    compared = json.loads(said(capsys, b, "compare", "a", "b", "--json"))
    assert compared["differing_settings"] == ["optimizer.lr", "training.epochs"]
    assert [run["settings"] for run in compared["runs"]] == [{"optimizer.lr": 0.5, "training.epochs": 10}] * 2
    assert [run["changed"] for run in compared["runs"]] == [{}, changed]
    assert len(compared["groups"]) == 2


def test_a_damaged_run_and_a_state_of_an_older_version_have_no_changes(make: Make) -> None:
    old = make("a")
    text = old.state_file.read_text()
    assert '"lr": null,' in text
    old.state_file.write_text(text.replace('"lr": null,', ""))
    damaged = make("b", lr=0.05, epochs=12)
    damaged.config_file.write_text("[optimizer")
    assert [(run.status, run.changes) for run in runs(old)] == [("finished", {}), ("damaged", {})]


def test_unknown_epochs_are_no_change() -> None:
    config = override(Config(), ["training.epochs=10", "optimizer.lr=0.5"])
    assert changes(config, State()) == changes(config, State(epochs=10)) == {}
    assert changes(config, State(epochs=9, lr=0.5)) == {
        "optimizer.lr": Changed(0.5, 0.5), "training.epochs": Changed(10, 9),
    }  # fmt: skip
    settings = {"a": Changed(1, 2), "b": 3}
    assert [at_start(value) for value in settings.values()] == [1, 3]
    assert present(settings) == {"a": 2}


def test_the_curve_of_the_learning_rate_follows_the_changes() -> None:
    config = override(Config(), ["training.epochs=2", "optimizer.lr=0.5", "schedule.name=cosine"])
    as_configured = lr_curve(config, State(steps_per_epoch=10))
    assert [as_configured.rate(step) for step in (0, 19)] == [pytest.approx(0.5), pytest.approx(0.0, abs=0.01)]
    longer = lr_curve(config, State(steps_per_epoch=10, epochs=4, lr=0.25))
    assert longer.rate(0) == pytest.approx(0.25)
    assert longer.rate(19) > 0.1
    later = lr_curve(config, State(steps_per_epoch=10, epochs=4, schedule_start=20, schedule_end=4))
    assert [later.rate(20), later.rate(29)] == [pytest.approx(value) for value in map(as_configured.rate, (0, 9))]
