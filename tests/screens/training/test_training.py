import msgspec
import pytest
from textual.widgets import ContentSwitcher, Input, Log

from screen_text import footer, lines, text
from screens.training.training_app import WriteRun, opened, screen, tick
from tuitrain.runs.records import Best, Score
from tuitrain.runs.rows import Event, Resources, Train, encode
from tuitrain.runs.writer import RunWriter
from tuitrain.screens.training import TrainingScreen
from tuitrain.screens.windows.prompt import PromptScreen
from tuitrain.widgets.charts.run_charts import GradientCharts, LossAccuracyCharts

SIZES = [(60, 20), (80, 24), (120, 40)]


async def test_contents_of_the_screen(write_run: WriteRun) -> None:
    app = opened(write_run("mine", "optimizer.lr=0.25", status="running"))
    async with app.run_test(size=(120, 40)) as pilot:
        for size in SIZES:
            await pilot.resize_terminal(*size)
            await pilot.pause()
            head = lines(app)[0]
            assert "mine" in head
            assert "running · epoch 3/3" in head
            assert ("ends" if size[0] >= 72 else "left") in head
            for seen in ("67 %", "train 0.5000 · 81.00 %", "epoch 2 done", "healthy", "loss"):
                assert seen in text(app)
            assert ("─ accuracy ─" in text(app)) == (size[0] >= 80)
            assert ("loss · z accuracy" in text(app)) == (size[0] < 80)
            assert all(len(line) == size[0] for line in lines(app))


async def test_the_head_has_the_present_learning_rate(write_run: WriteRun) -> None:
    app = opened(write_run("one", "optimizer.lr=0.25", status="running", lr=0.125))
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        assert "adam 0.125 " in lines(app)[0]
        await pilot.press("r")
        await pilot.pause()
        assert app.screen.query_one(Input).value == "0.125"


@pytest.mark.parametrize("name", ["cnn-live", "a-name-that-is-much-longer-than-there-is-room-for"])
async def test_optimizer_and_rate_stay_longest_in_the_head(write_run: WriteRun, name: str) -> None:
    app = opened(write_run(name, "optimizer.lr=0.25", status="running"))
    async with app.run_test(size=(160, 40)) as pilot:
        await pilot.pause()
        assert f"{name} · digits · mlp 128-256 relu · adam 0.25 " in lines(app)[0]
        for width in (80, 60):
            await pilot.resize_terminal(width, 24)
            await pilot.pause()
            assert " · adam 0.25 " in lines(app)[0]
            assert lines(app)[0].strip().startswith(name[:6])
            assert "digits" not in lines(app)[0]


async def test_the_log_shows_the_activity_until_output_appears(write_run: WriteRun) -> None:
    folder = write_run("one", status="running", phase="validating")
    folder.log_file.write_text("")
    app = opened(folder)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("3")
        await tick(app, pilot)
        assert text(app).count("validating · nothing printed yet") == 1
        folder.log_file.write_text("epoch 1 done\n")
        await tick(app, pilot)
        assert "nothing printed yet" not in text(app)
        assert "epoch 1 done" in app.screen.query_one(Log).lines[0]


async def test_the_scores_fit_before_all_else(write_run: WriteRun) -> None:
    low, high = Score(0.4, 0.7), Score(0.3, 0.8)
    found = {"validation": low, "test": Score(0.1, 0.9), "best": Best(2, 40, high)}
    app = opened(write_run("one", status="running", **found))
    async with app.run_test(size=(120, 40)) as pilot:
        for width, seen in (
            (140, "(lowest loss 0.3000, epoch 2)   test 0.1000 · 90.00 %   lr 0.1   |grad| 0.3"),
            (100, "(lowest loss 0.3000)   test 0.1000 · 90.00 %"),
            (80, "test 0.1000 · 90.00 %"),
            (60, "test 90.00 %"),
        ):
            await pilot.resize_terminal(width, 24)
            await pilot.pause()
            (line,) = (line for line in lines(app) if line.startswith(" train "))
            assert seen in line
            assert "…" not in line


async def test_new_content_is_shown(write_run: WriteRun) -> None:
    folder = write_run("one", status="running")
    app = opened(folder)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        before = text(app)
        with folder.metrics_file.open("ab") as file:
            for step in range(41, 60):
                file.write(encode(Train(step, 3, 1.9, 0.1, 0.125, step / 10, 2e9 + step, 7.5)) + b"\n")
        folder.state_file.write_bytes(folder.state_file.read_bytes().replace(b'"step": 40', b'"step": 59'))
        with folder.log_file.open("a") as log:
            log.write("something new\n")
        await tick(app, pilot)
        assert text(app) != before
        assert "something new" in text(app)
        assert "98 %" in text(app)
        assert "|grad| 7.5" in text(app)
        assert "lr 0.125" in text(app)


async def test_the_pages(write_run: WriteRun) -> None:
    app = opened(write_run("one", status="running"))
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        switcher = app.screen.query_one(ContentSwitcher)
        for key, page, seen in (
            ("2", "gradients", "gradient norm by layer"),
            ("3", "log", "epoch 1 done"),
            ("4", "layers", "update / weight by layer"),
            ("5", "machine", "memory of the run"),
            ("1", "curves", "accuracy"),
        ):
            await pilot.press(key)
            await pilot.pause()
            assert switcher.current == page
            assert seen in text(app)
            assert page not in footer(app), "the page that is seen is not offered"
        assert isinstance(app.focused, LossAccuracyCharts)
        await pilot.press("2")
        assert isinstance(app.focused, GradientCharts)


async def test_what_the_run_uses_of_its_machine(write_run: WriteRun) -> None:
    folder = write_run("one", status="running")
    with folder.metrics_file.open("ab") as file:
        for step in range(41, 50):
            used = Resources(step, 3, step / 10, 2e9 + step, 0.45, 4_000_000_000, 0.61, 0.2)
            file.write(encode(used) + b"\n")
    info = folder.info()
    info.device = "cuda:0"
    folder.info_file.write_bytes(msgspec.json.encode(info))
    app = opened(folder)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("5")
        await tick(app, pilot)
        shown = text(app)
        assert "the GPU waits 45.00 % of the time for images" in shown
        assert all(name in shown for name in ("use", "waiting for images", "4.0G", "busy 61 %"))


async def test_charts_without_data(write_run: WriteRun) -> None:
    folder = write_run("one", status="running")
    app = opened(folder)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("5")
        await tick(app, pilot)
        assert text(app).count(" no data yet ") == 2
        folder.state_file.write_bytes(folder.state_file.read_bytes().replace(b'"running"', b'"finished"'))
        await tick(app, pilot)
        assert (text(app).count(" no data "), "no data yet" in text(app)) == (2, False)


async def test_the_log_is_shown_whole_and_each_line_once(write_run: WriteRun) -> None:
    folder = write_run("one", status="running")
    app = opened(folder)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("3")
        for number in range(3):
            with folder.log_file.open("a") as log:
                log.write(f"line {number}\n")
            await tick(app, pilot)
        await pilot.press("1", "3")
        await pilot.pause()
        shown = [line.strip("│╭╮╰╯ ") for line in lines(app)[:20]]
        assert [line for line in shown if line.startswith("line ")] == ["line 0", "line 1", "line 2"]


async def test_the_keys_of_the_charts(write_run: WriteRun) -> None:
    app = opened(write_run("one", status="running"))
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        pair = app.screen.query_one(LossAccuracyCharts)
        assert [chart.display for chart in pair.charts] == [True, True]
        seen = []
        for _ in range(3):
            await pilot.press("z")
            seen.append([chart.display for chart in pair.charts])
        assert seen == [[True, False], [False, True], [True, True]]
        axes = []
        for _ in range(4):
            axes.append(pair.axis)
            await pilot.press("X")
        assert axes == ["step", "epoch", "seconds", "wall time"]
        before = text(app)
        await pilot.press("L")
        await pilot.pause()
        assert text(app) != before
        for key in ("plus", "minus", "left", "right", "h", "l", "i", "I", "[", "]", "0", "L"):
            await pilot.press(key)
        await pilot.pause()
        assert "loss" in text(app)


async def test_events_are_marked_on_each_axis(write_run: WriteRun) -> None:
    folder = write_run("one", status="running")
    with folder.metrics_file.open("ab") as rows:
        rows.write(encode(Event("paused", 30, 1, (folder.state().started or 0.0) + 9)) + b"\n")
    app = opened(folder)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        pair, places = app.screen.query_one(LossAccuracyCharts), {}
        for _ in range(4):
            places[pair.axis] = [mark.x for mark in pair.charts[1].marks]
            await pilot.press("X")
        # The last row until then is of step 26.
        assert places == {"step": [30.0], "epoch": [1.5], "seconds": [2.6], "wall time": [pytest.approx(9.0)]}


async def test_before_the_first_step_and_on_any_screen(write_run: WriteRun) -> None:
    folder = write_run("one", status="queued", epoch=0, step=0, seconds=0.0)
    for path in (folder.metrics_file, folder.log_file):
        path.write_bytes(b"")
    app = opened(folder)
    async with app.run_test(size=(1, 1)) as pilot:
        for size in [(10, 5), (120, 40), (2, 2), (60, 20)]:
            await pilot.resize_terminal(*size)
            await pilot.press("2", "3", "1")
            await pilot.pause()
            assert ("waiting for the first step" in text(app)) == (size[0] >= 60)
            assert "100 %" not in text(app)


async def test_it_stops_ticking_while_it_is_covered(write_run: WriteRun) -> None:
    app = opened(write_run("one", status="running"))
    async with app.run_test() as pilot:
        await pilot.pause()
        training = screen(app)
        assert training._timer is not None
        await pilot.press("question_mark")
        await pilot.pause()
        assert training._timer is None
        await pilot.press("escape")
        await pilot.pause()
        assert training._timer is not None
        await pilot.press("escape")
        await pilot.pause()
        assert training._timer is None


async def test_training_is_followed_behind_a_prompt(write_run: WriteRun) -> None:
    folder = write_run("one", status="running")
    app = opened(folder)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        training = screen(app)
        await pilot.press("r")
        await pilot.pause()
        assert isinstance(app.screen, PromptScreen)
        assert "enter save" in text(app)
        folder.state_file.write_bytes(folder.state_file.read_bytes().replace(b'"step": 40', b'"step": 59'))
        while "98 %" not in text(app):
            await pilot.pause(0.05)
        assert isinstance(app.screen, PromptScreen)
        await pilot.press("ctrl+u", *"0.5", "enter")
        await pilot.pause()
        assert isinstance(app.screen, TrainingScreen)
        assert training._timer is not None
        await pilot.press("r")
        await pilot.pause()
        folder.state_file.write_bytes(folder.state_file.read_bytes().replace(b'"running"', b'"finished"'))
        training.tick()
        await pilot.press("enter")
        await pilot.pause()
        assert "The run is finished and no longer" in text(app)
        assert isinstance(app.screen, PromptScreen)


async def test_before_the_first_step_it_says_what_is_prepared(write_run: WriteRun) -> None:
    folder = write_run("one", status="running")
    writer = RunWriter(folder)
    folder.metrics_file.write_bytes(b"")
    writer.update(phase="reading: 1,200 of 4,000 images", step=0, epoch=0, train=None, now=True)
    app = opened(folder)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        assert text(app).count("reading: 1,200 of 4,000 images") >= 2
        assert " 30 %" in text(app)
        assert "healthy" not in text(app)
        writer.update(phase="reading: 2,000 of 4,000 images", now=True)
        await tick(app, pilot)
        assert text(app).count("reading: 2,000 of 4,000 images") >= 2
        assert "1,200" not in text(app)
    writer.close()


async def test_a_resumed_run_says_what_it_waits_for(write_run: WriteRun) -> None:
    command = "waiting for 1 of 2 nodes: tuitrain join 3f2a --at node1:43211"
    app = opened(write_run("one", status="queued", phase=command))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        assert command in text(app)


async def test_the_training_time_stays_after_the_end(write_run: WriteRun) -> None:
    folder = write_run("one", status="running")
    app = opened(folder)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        writer = RunWriter(folder)
        writer.update(status="stopped", epoch=3, step=60, seconds=6.0, now=True)
        writer.close()
        await tick(app, pilot)
        assert "stopped · 3 epochs in 6.0 s" in lines(app)[0]
        assert "100 %" not in text(app)


@pytest.mark.parametrize(
    ("settings", "mark"),
    [
        (["training.label_smoothing=0"], ""),
        (["training.label_smoothing=0.1"], " (soft labels)"),
        (["training.class_weights=balanced"], " (class weights)"),
        (["data.sampler=balanced", "training.class_weights=balanced"], " (class weights, balanced)"),
        (["data.augment=[flip, cutmix]", "training.label_smoothing=0.1"], " (soft labels, mixed labels)"),
    ],
)
async def test_a_training_loss_that_is_not_comparable_is_marked(
    write_run: WriteRun, settings: list[str], mark: str
) -> None:
    app = opened(write_run("one", *settings, status="running"))
    async with app.run_test(size=(140, 40)) as pilot:
        await pilot.pause()
        loss, accuracy = screen(app).query_one(LossAccuracyCharts).charts
        names = {line.name for line in loss.lines}
        assert f"train{mark}" in names
        assert "train" + " (mixed labels)" * ("mixed" in mark) in {line.name for line in accuracy.lines}
