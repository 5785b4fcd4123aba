import json
import math
import platform
import re
from pathlib import Path

import pytest
from textual.widgets import Input

import tuitrain
from screen_text import lines, text
from screens.compare.compare_app import WriteRun, app_of, opened, predict
from tuitrain.analysis.curves import METRICS
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.records import Best, Score
from tuitrain.runs.rows import Evaluated
from tuitrain.runs.scripts.folder import ScriptFolder
from tuitrain.runs.writer import RunWriter
from tuitrain.widgets.charts.comparison import ComparisonCharts

# The metrics of the runs that `write_run` writes.
SCORES = (*METRICS[:4], *METRICS[5:7])
SIZES = [(120, 40), (80, 24), (60, 20)]

HOSTILE = "\x1b[2J[red]x[/] [@click=app.quit]y[/]"


@pytest.mark.parametrize("size", SIZES)
async def test_every_key_at_every_size(three: list[RunFolder], size: tuple[int, int]) -> None:
    app = app_of(three)
    async with app.run_test(size=size) as pilot:
        screen = await opened(pilot, three)
        assert "3 runs · baseline" in lines(app)[0]
        for key in [*"mmmmmmmXXXXLLOOvv++--", *("left",) * 3, *"iI[]0", *("down",) * 3, "up", *"bbaaTTMMzzz", "3",
                    "z", "z", "z", "tab", "f", "v", "o", "1", "pagedown", "pageup"]:  # fmt: skip
            await pilot.press(key)
            await pilot.pause()
            assert all(len(line) == size[0] for line in lines(app)), key
            assert app.screen is screen, key
        await pilot.press("escape")
        await pilot.pause()
        assert app.screen is not screen


async def test_settings_results_and_a_new_baseline(three: list[RunFolder]) -> None:
    app = app_of(three)
    async with app.run_test(size=(160, 45)) as pilot:
        screen = await opened(pilot, three)
        shown = text(app)
        assert "optimizer.name" in shown
        assert "model.hidden" not in shown
        assert "last test" in shown
        assert "epochs to 77.90 %" in shown
        await pilot.press("a")
        assert "model.hidden" in text(app)
        await pilot.press("a", "down", "b")
        await pilot.pause()
        assert screen.baseline == three[2].id
        assert "baseline" in lines(app)[0]
        assert "sgd-s0" in lines(app)[0]


async def test_the_cursor_reads_every_run(three: list[RunFolder]) -> None:
    app = app_of(three)
    async with app.run_test(size=(160, 45)) as pilot:
        await opened(pilot, three)
        await pilot.press("left", "left")
        await pilot.pause()
        assert "val accuracy at epoch" in text(app)
        [row] = [line for line in lines(app) if "at the cursor" in line]
        assert row.count(" %") >= 2
        await pilot.press("0")
        await pilot.pause()
        assert "at the cursor" not in text(app)


async def test_metrics_and_axes(three: list[RunFolder]) -> None:
    app = app_of(three)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(pilot, three)
        for metric in (*SCORES, SCORES[0]):
            assert f"─ {metric.title} ─" in lines(app)[1]
            await pilot.press("m")
            await pilot.pause()
        for axis in ("step", "epoch", "seconds", "wall time"):
            while app.screen.query_one(ComparisonCharts).axis != axis:
                await pilot.press("X")
            await pilot.pause()
            assert f"{axis} · linear" in text(app)
        await pilot.press("M")
        await pilot.pause()
        overlay = app.screen.query_one(ComparisonCharts)
        assert sum(chart.display for chart in overlay.charts) == 2 or len(overlay.shown_metrics) == 4


async def test_a_comparison_opens_on_a_metric_that_the_runs_have_and_offers_no_other(tmp_path: Path) -> None:
    folders = []
    for name in ("one", "two"):
        with tuitrain.init(name=name, runs_dir=tmp_path) as run:
            run.log({"train/loss": 0.5, "gpu/heat": 70.0, "val/accuracy": math.nan})
        folders.append(ScriptFolder(Path(run.dir)))
    app = app_of(list(folders))
    async with app.run_test(size=(120, 40)) as pilot:
        charts = (await opened(pilot, list(folders))).query_one(ComparisonCharts)
        assert [metric.title for metric in charts.metrics] == ["train loss", "gpu/heat", "train/loss", "val/accuracy"]
        assert "─ train loss ─" in lines(app)[1]
        assert "epochs" not in text(app)
        # The runs know no epochs, but the user may choose another axis.
        axes: list[str] = [charts.axis]
        await pilot.press("X", "M")
        await pilot.pause()
        assert [*axes, charts.axis] == ["step", "epoch"]
        assert sum(chart.display for chart in charts.charts) <= len(charts.metrics)


async def test_runs_are_grouped_by_seed(three: list[RunFolder]) -> None:
    app = app_of(three)
    async with app.run_test(size=(160, 45)) as pilot:
        await opened(pilot, three)
        await pilot.press("T")
        await pilot.pause()
        assert "3 runs in 2 groups" in lines(app)[0]
        assert "adam ×2" in text(app)
        assert "0, 1" in text(app)
        names = [line.name for line in app.screen.query_one(ComparisonCharts).charts[0].lines]
        assert names.count("") == 2
        await pilot.press("T")
        await pilot.pause()
        assert "groups" not in lines(app)[0]


async def test_without_seeds_it_says_so(three: list[RunFolder]) -> None:
    app = app_of(three)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(pilot, three[1:])
        await pilot.press("T")
        assert any("differ only in training.seed" in toast.message for toast in app._notifications)


async def test_outliers_are_cut_and_O_shows_them(three: list[RunFolder]) -> None:
    run = RunWriter(three[0])
    for epoch in range(4, 60):
        score = 0.01 if epoch == 5 else 0.9 + epoch / 1000
        run.row(Evaluated("validation", 20 * epoch, epoch, 0.1, score, float(epoch), 1000.0 + epoch))
    run.close()
    app = app_of(three)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(pilot, three)
        assert "outliers cut (O)" in text(app)
        await pilot.press("O")
        await pilot.pause()
        assert "outliers cut" not in text(app)
        await pilot.press("0")
        await pilot.pause()
        assert "outliers cut (O)" in text(app)


@pytest.mark.parametrize("size", [(120, 40), (80, 24)])
async def test_six_runs_are_seen_at_once(write_run: WriteRun, size: tuple[int, int]) -> None:
    names = [f"digits-{rule}-{rate}-s0" for rule in ("sgd", "adamw") for rate in ("0.1", "0.01", "0.001")]
    folders = [write_run(name, evaluations=(("test", "last", 0.9 + 0.01 * n),)) for n, name in enumerate(names)]
    for number, folder in enumerate(folders):
        predict(folder, 60 + 5 * number, seed=number)
    app = app_of(folders)
    async with app.run_test(size=size) as pilot:
        screen = await opened(pilot, folders)
        await pilot.press("z", "z")
        shown = text(app)
        assert not re.search(r"\+\d", shown)
        for one in screen.columns:
            assert re.search(rf"{one.marker.marker} {re.escape(one.name)} ", shown)


async def test_the_accuracy_to_reach_is_asked_for(three: list[RunFolder]) -> None:
    app = app_of(three)
    async with app.run_test(size=(120, 40)) as pilot:
        screen = await opened(pilot, three)
        await pilot.press("percent_sign")
        await pilot.pause()
        field = app.screen.query_one(Input)
        field.value = "200"
        await pilot.press("enter")
        assert app.screen is not screen
        field.value = "81"
        await pilot.press("enter")
        await pilot.pause()
        assert app.screen is screen
        assert "epochs to 81.00 %" in text(app)


async def test_live_runs_grow(write_run: WriteRun) -> None:
    folders = [write_run("done"), write_run("other", "optimizer.lr=0.5", status="running")]
    app = app_of(folders)
    async with app.run_test(size=(120, 40)) as pilot:
        screen = await opened(pilot, folders)
        assert "live" in lines(app)[0]
        writer = RunWriter(folders[1])
        writer.row(Evaluated("validation", 60, 3, 0.01, 0.9876, 6.0, 1.7e9))
        writer.update(best=Best(3, 60, Score(0.01, 0.9876)), now=True)
        writer.close()
        screen.tick()
        await pilot.pause()
        assert "98.76 %" in text(app)
        state = json.loads(folders[1].state_file.read_text())
        gone = {"host": platform.node(), "boot": "other", "pid": 1, "born": 1.0}
        folders[1].state_file.write_text(json.dumps(state | {"process": gone}))
        screen.tick()
        await pilot.pause()
        assert "live" not in lines(app)[0]


async def test_hostile_names_are_escaped_and_a_lost_run_is_reported(write_run: WriteRun) -> None:
    folders = [write_run(HOSTILE, classes=[HOSTILE] * 3), write_run("lost", "data.dir=[red]x[/]")]
    (folders[1].path / "state.json").unlink()
    app = app_of(folders)
    async with app.run_test(size=(160, 45)) as pilot:
        await opened(pilot, folders)
        assert "�[2J[red]x[/]" in text(app)
        assert "damaged" in text(app)
        for key in ("3", "1", "down", "b", "a"):
            await pilot.press(key)
            await pilot.pause()
            assert "\x1b" not in text(app)


async def test_a_run_with_nothing_yet(write_run: WriteRun, tmp_path: Path) -> None:
    folder = write_run("one")
    gone = RunFolder(tmp_path / "nowhere")
    app = app_of([folder])
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot, [folder, gone])
        assert "2 runs" in lines(app)[0]
        await pilot.press("3")
        await pilot.pause()
        assert "has no test evaluation" in text(app) or "missing" in text(app)


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)])
async def test_twelve_runs_of_a_sweep_are_told_apart(write_run: WriteRun, size: tuple[int, int]) -> None:
    settings = [(rule, rate, seed) for seed in (0, 1) for rule in ("sgd", "adam") for rate in ("0.1", "0.01", "0.001")]
    folders = [
        write_run("", f"optimizer.name={rule}", f"optimizer.lr={rate}", f"training.seed={seed}")
        for rule, rate, seed in settings
    ]
    app = app_of(folders)
    async with app.run_test(size=size) as pilot:
        screen = await opened(pilot, folders)
        labels = [f"{rule} {rate.removeprefix('0')} s{seed}" for rule, rate, seed in settings]
        assert [column.name for column in screen.columns] == labels
        if size[0] > 80:
            assert all(text(app).count(f" {label} ") >= 2 for label in labels)
        await pilot.press("pagedown")
        await pilot.pause()
        assert f" {labels[-1]} " in text(app)
        await pilot.press("T")
        await pilot.pause()
        names = [f"{rule} {rate.removeprefix('0')} ×2" for rule, rate, seed in settings if not seed]
        assert all(text(app).count(f" {name} ") >= 2 for name in names)
        for key, title in (("greater_than_sign", "params"), ("less_than_sign", " opt ")):
            await pilot.press(*[key] * 20)
            await pilot.pause()
            assert title in lines(app)[-8]


async def test_the_confusion_of_two_groups_compares_the_same_seed(write_run: WriteRun) -> None:
    settings = [("sgd", 1), ("sgd", 0), ("adam", 2), ("adam", 1)]
    folders = [write_run("", f"optimizer.name={rule}", f"training.seed={seed}") for rule, seed in settings]
    for folder in folders:
        predict(folder, 60)
    app = app_of(folders)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(pilot, folders)
        await pilot.press("T", "3")
        await pilot.pause()
        assert re.search("adam seed 1 minus . sgd seed 1", text(app))


async def test_a_repeated_seed_is_left_out_of_its_group(write_run: WriteRun) -> None:
    folders = [write_run("", f"training.seed={seed}") for seed in (0, 1, 0)]
    app = app_of(folders)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(pilot, folders)
        await pilot.press("T")
        await pilot.pause()
        assert "1 repeated seed left out" in lines(app)[0]
        assert "×2" in text(app)


async def test_training_metrics_of_other_labels_are_marked(write_run: WriteRun, three: list[RunFolder]) -> None:
    smoothed = write_run("smoothed", "training.label_smoothing=0.1", id="20261101-000003-d-0004")
    mixed = write_run("mixed", "data.augment=[mixup]", id="20261101-000003-d-0005")
    for folders, marks in (
        (three, ("", "")),
        ([*three, smoothed], (" (soft labels)", "")),
        ([*three, mixed], (" (mixed labels)", " (mixed labels)")),
    ):
        mark = dict(zip(("train loss", "train accuracy"), marks, strict=True))
        app = app_of(folders)
        async with app.run_test(size=(120, 40)) as pilot:
            charts = (await opened(pilot, folders)).query_one(ComparisonCharts)
            titles = []
            for _ in SCORES:
                titles.append(charts.first.title)
                await pilot.press("m")
            assert titles == [metric.title + mark.get(metric.title, "") for metric in SCORES]
