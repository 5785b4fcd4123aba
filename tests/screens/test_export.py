"""`E` exports what a screen shows."""

import csv
import io
import os
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from xml.etree import ElementTree as ET

import pytest
from textual.pilot import Pilot
from textual.widgets import Input, Static

from screen_text import text
from screens.compare.compare_app import WriteRun, app_of
from screens.compare.compare_app import opened as compare_opened
from screens.results.results_app import opened as run_opened
from screens.sweep.sweep_app import opened as sweep_opened
from tuitrain.app.app import TuitrainApp
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.sweeps.folder import SweepFolder
from tuitrain.screens.windows.prompt import PromptScreen
from tuitrain.widgets.confusion.difference import DifferenceMatrix
from tuitrain.widgets.forms.pick_list import PickList


async def choose(pilot: Pilot[None], name: str) -> None:
    await pilot.press("E")
    await pilot.pause()
    assert isinstance(pilot.app.screen, PickList)
    await pilot.press(*name)
    await pilot.press("enter")
    await pilot.pause()


async def save(pilot: Pilot[None], name: str, path: Path) -> str:
    """Export to `path` and return the content of the file."""
    await choose(pilot, name)
    assert isinstance(pilot.app.screen, PromptScreen)
    pilot.app.screen.query_one(Input).value = str(path)
    await pilot.press("enter")
    await pilot.pause()
    return path.read_text()


async def copied(pilot: Pilot[None], monkeypatch: pytest.MonkeyPatch) -> str:
    texts: list[str] = []
    monkeypatch.setattr(pilot.app, "copy_to_clipboard", texts.append)
    await choose(pilot, "copy")
    [found] = texts
    return found


def rows(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text)))


@pytest.mark.usefixtures("four")
async def test_the_runs_table(app: TuitrainApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("slash", *"opt=sgd", "enter")
        await pilot.pause()
        lines = (await save(pilot, "table as markdown", tmp_path / "runs.md")).splitlines()
        assert lines[0].startswith("| run | status | ")
        assert "| lr |" in lines[0]
        assert [line.split(" | ")[0] for line in lines[2:]] == ["| c", "| d"]
        assert (await copied(pilot, monkeypatch)).splitlines() == lines
        table = rows(await save(pilot, "table as csv", tmp_path / "runs.csv"))
        assert [row[0] for row in table] == ["run", "c", "d"]
        picture = await save(pilot, "svg", tmp_path / "runs.svg")
        assert ET.fromstring(picture).tag.endswith("svg")


async def test_groups_as_shown(write_run: WriteRun, tmp_path: Path) -> None:
    settings = [("sgd", 0), ("sgd", 1), ("adam", 0), ("adam", 1)]
    folders = [write_run("", f"optimizer.name={rule}", f"training.seed={seed}") for rule, seed in settings]
    app = app_of(folders)
    async with app.run_test(size=(120, 40)) as pilot:
        await compare_opened(pilot, folders)
        await pilot.press("T")
        await pilot.pause()
        assert "|  | sgd ×2 | adam ×2 |" in await save(pilot, "markdown", tmp_path / "groups.md")
        [first, *_] = rows(await save(pilot, "csv", tmp_path / "groups.csv"))
        assert {"group", "seeds", "test_accuracy", "test_accuracy_sd"} <= set(first)


async def test_the_pages_of_a_run(write_run: WriteRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = run_opened(write_run("one", classes=["=cat", "[b]|dog"]))
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("3")
        matrix = rows(await save(pilot, "csv", tmp_path / "matrix.csv"))
        assert matrix == [["true / predicted", "'=cat", "[b]|dog"], ["'=cat", "90", "1"], ["[b]|dog", "1", "90"]]
        assert r"\[b\]\|dog | 1 | 90 |" in await copied(pilot, monkeypatch)
        await pilot.press("4")
        assert rows(await save(pilot, "csv", tmp_path / "classes.csv"))[0][:3] == ["class", "images", "precision"]
        await pilot.press("5")
        [_, worst] = rows(await save(pilot, "csv", tmp_path / "worst.csv"))
        assert worst == ["7", "", "'=cat", "[b]|dog", "0.9700", "3.5066"]
        await pilot.press("6")
        assert ["training.epochs", "3"] in rows(await save(pilot, "csv", tmp_path / "settings.csv"))
        await pilot.press("7")
        assert "epoch 3" in await save(pilot, "text", tmp_path / "log.txt")
        await pilot.press("2")
        metrics = rows(await save(pilot, "csv", tmp_path / "metrics.csv"))
        assert metrics[0][:3] == ["split", "step", "epoch"]
        assert len(metrics) == 16


async def test_the_network_of_the_run_that_is_shown(write_run: WriteRun) -> None:
    app = run_opened(write_run("one"))
    async with app.run_test(size=(80, 24)) as pilot:
        await choose(pilot, "run as onnx")
        assert isinstance(app.screen, PromptScreen)
        assert app.screen.query_one(Input).value.endswith(".onnx")


async def test_the_images_of_a_cell(write_run: WriteRun, tmp_path: Path) -> None:
    app = run_opened(write_run("one"))
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("3", "enter")
        await pilot.pause()
        assert len(rows(await save(pilot, "csv", tmp_path / "cell.csv"))) == 1
        await pilot.press("a")
        assert len(rows(await save(pilot, "csv", tmp_path / "all.csv"))) == 2


async def test_the_difference_of_two_matrices(three: list[RunFolder], tmp_path: Path) -> None:
    app = app_of(three)
    async with app.run_test(size=(120, 40)) as pilot:
        screen = await compare_opened(pilot, three)
        await pilot.press("3", "tab")
        await pilot.pause()
        table = rows(await save(pilot, "csv", tmp_path / "difference.csv"))
        assert table[0] == ["true / predicted", *map(str, range(10))]
        changes = screen.query_one(DifferenceMatrix)._change
        assert [list(map(int, row[1:])) for row in table[1:]] == changes


@pytest.mark.parametrize(("tmux", "condition"), [("", "if your terminal allows it"), ("/tmp/x", "set-clipboard on")])
async def test_a_copy_says_that_the_terminal_may_refuse_it(
    write_run: WriteRun, monkeypatch: pytest.MonkeyPatch, tmux: str, condition: str
) -> None:
    monkeypatch.setenv("TMUX", tmux)
    app = run_opened(write_run("one"))
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("3")
        await copied(pilot, monkeypatch)
        assert condition in next(iter(app._notifications)).message


async def saved(pilot: Pilot[None], path: Path) -> str:
    """Write the report to `path` and return its content once the screen says that it is saved."""
    await choose(pilot, "report")
    pilot.app.screen.query_one(Input).value = str(path)
    await pilot.press("enter")
    deadline = monotonic() + 60
    while not any(f"Saved {path}" in note.message for note in pilot.app._notifications):
        assert monotonic() < deadline, [note.message for note in pilot.app._notifications]
        await pilot.pause(0.05)
    return path.read_text(encoding="utf-8")


async def test_the_report_of_a_run(write_run: WriteRun, tmp_path: Path) -> None:
    folder = write_run("one")
    app = run_opened(folder)
    async with app.run_test(size=(120, 40)) as pilot:
        assert "<title>one</title>" in await saved(pilot, tmp_path / "r.html")
        assert (await saved(pilot, tmp_path / "r.md")).startswith("# one\n")
        await choose(pilot, "report")
        assert app.screen.query_one(Input).value == f"{folder.id}.html"
        app.screen.query_one(Input).value = str(tmp_path / "r.pdf")
        await pilot.press("enter")
        await pilot.pause()
        assert "is neither HTML nor Markdown" in str(app.screen.query_one("#error", Static).content)


async def test_the_report_of_a_comparison_begins_with_the_baseline(three: list[RunFolder], tmp_path: Path) -> None:
    app = app_of(three)
    async with app.run_test(size=(120, 40)) as pilot:
        screen = await compare_opened(pilot, three)
        await pilot.press("b")
        await pilot.pause()
        assert screen.baseline != three[0].id
        assert screen.comparison is not None
        page = await saved(pilot, tmp_path / "r.html")
        assert "Comparison of 3 runs" in page
        assert f"relative to {screen.comparison.run(screen.baseline).label}." in page


async def test_a_report_that_cannot_be_written_is_reported(write_run: WriteRun, tmp_path: Path) -> None:
    app = run_opened(write_run("one"))
    (tmp_path / "file").write_text("mine")
    async with app.run_test(size=(120, 40)) as pilot:
        await choose(pilot, "report")
        app.screen.query_one(Input).value = str(tmp_path / "file" / "r.html")
        await pilot.press("enter")
        deadline = monotonic() + 60
        while not any("cannot be written: " in note.message for note in app._notifications):
            assert monotonic() < deadline
            await pilot.pause(0.05)


async def test_a_live_run(write_run: WriteRun, tmp_path: Path) -> None:
    app = run_opened(write_run("one", status="running"))
    async with app.run_test(size=(120, 40)) as pilot:
        assert len(rows(await save(pilot, "csv", tmp_path / "metrics.csv"))) == 11


async def test_a_sweep(app: TuitrainApp, write_sweep: Callable[..., SweepFolder], tmp_path: Path) -> None:
    folder = write_sweep()
    async with app.run_test(size=(120, 40)) as pilot:
        await sweep_opened(app, pilot, folder)
        table = rows(await save(pilot, "csv", tmp_path / "sweep.csv"))
        assert table[0][:3] == ["trial", "status", "opt"]
        assert len(table) == 11
        assert "best val" in await save(pilot, "map", tmp_path / "sweep.txt")


@pytest.mark.usefixtures("four")
async def test_a_file_is_overwritten_only_on_request(app: TuitrainApp, tmp_path: Path) -> None:
    path = tmp_path / "mine.md"
    path.write_text("mine")
    async with app.run_test(size=(120, 40)) as pilot:
        assert await save(pilot, "table as markdown", path) == "mine"
        assert "exists already" in text(app)
        await pilot.press("enter")
        await pilot.pause()
        assert path.read_text() != "mine"


@pytest.mark.usefixtures("four")
@pytest.mark.parametrize(
    ("name", "problem"),
    [("n" * 300, "cannot be written: File name too long"), ("pipe", "is not a file"), ("", "Is a dir")],
)
async def test_a_file_that_cannot_be_written_is_reported(
    app: TuitrainApp, tmp_path: Path, name: str, problem: str
) -> None:
    os.mkfifo(tmp_path / "pipe")
    async with app.run_test(size=(160, 40)) as pilot:
        await choose(pilot, "table as markdown")
        app.screen.query_one(Input).value = str(tmp_path / name)
        await pilot.press("enter", "enter")
        await pilot.pause()
        assert problem in str(app.screen.query_one("#error", Static).content)
