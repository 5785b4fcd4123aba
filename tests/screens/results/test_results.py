import pytest
from textual.widgets import ContentSwitcher

from screen_text import footer, lines, text
from screens.results.results_app import THREE, WriteRun, opened
from tuitrain.analysis.learning_curve import is_learning_curve
from tuitrain.app import run_lifecycle as app_module
from tuitrain.errors import RunError
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.rows import Train, encode
from tuitrain.screens.home.screen import HomeScreen
from tuitrain.screens.new_run.screen import NewRunScreen
from tuitrain.screens.results.screen import ResultsScreen
from tuitrain.screens.results.tabs import PAGES
from tuitrain.screens.training import TrainingScreen

HOSTILE = "\x1b[2J[red]x[/] [@click=app.quit]y[/]"


@pytest.mark.parametrize("begin", ["e in what was watched", "r in the results"])
async def test_more_epochs_after_the_end(write_run: WriteRun, monkeypatch: pytest.MonkeyPatch, begin: str) -> None:
    folder = write_run("one", status="running")
    ended = folder.state_file.read_bytes().replace(b'"running"', b'"finished"').replace(b'"epoch": 2', b'"epoch": 3')
    spawned: list[int | None] = []

    def spawn(run: RunFolder, epochs: int | None, **_options: object) -> None:
        spawned.append(epochs)
        run.state_file.write_bytes(ended.replace(b'"finished"', b'"running"'))

    monkeypatch.setattr(app_module, "resume_in_background", spawn)
    app = opened(folder)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        folder.state_file.write_bytes(ended)
        assert isinstance(app.screen, TrainingScreen)
        app.screen.tick()
        await pilot.press(*(["enter", "r"] if begin.startswith("r") else ["e"]))
        await pilot.pause()
        assert "Total number of epochs" in text(app)
        assert "8" in text(app)
        await pilot.press("backspace", "3", "enter")
        await pilot.pause()
        assert "✗ epochs = 3 is not allowed" in text(app)
        await pilot.press("backspace", "5", "enter")
        await app.workers.wait_for_complete()
        await pilot.pause()
        assert spawned == [5]
        assert isinstance(app.screen, TrainingScreen)
        await pilot.press("escape")
        await pilot.pause()
        assert isinstance(app.screen, HomeScreen)


async def test_an_interrupted_run_resumes_at_once(write_run: WriteRun, monkeypatch: pytest.MonkeyPatch) -> None:
    spawned: list[int | None] = []

    def spawn(_run: RunFolder, epochs: int | None, **_options: object) -> None:
        spawned.append(epochs)
        raise RunError("No process can be started for the run: [b]no[/b].")

    monkeypatch.setattr(app_module, "resume_in_background", spawn)
    app = opened(write_run("one", status="running", dead=True))
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        assert isinstance(app.screen, ResultsScreen)
        assert "resume" in footer(app)
        await pilot.press("r")
        await app.workers.wait_for_complete()
        await pilot.pause()
        assert spawned == [None]
        assert [toast.message for toast in app._notifications] == ["No process can be started for the run: [b]no[/b]."]
        assert isinstance(app.screen, ResultsScreen)


async def test_the_summary_and_the_pages(write_run: WriteRun) -> None:
    folder = write_run("mine", "optimizer.lr=0.25", reason="Stopped early.")
    app = opened(folder)
    seen = {
        "summary": (
            "Stopped early.",
            "last epoch (3), the best one",
            "best test, with the weights of epoch 3",
            "90 of 990 test images wrong",
            "1,234 parameters",
            "adam 0.25",
            "most confused",
        ),
        "curves": ("loss", "accuracy", "train", "val"),
        "confusion": ("test, the last weights (epoch 3) · 90.00 %", "recall"),
        "classes": ("precision", "most predicted as", "990 images · mean F1 90.91 %"),
        "worst": ("1 of 90 wrong predictions, by loss", "#7  loss 3.5066", "true 0  3.00 %", "predicted 9  97.00 %"),
        "settings": ("• optimizer.lr", "default 0.001", "training.epochs"),
        "log": ("epoch 1 done", "epoch 3 done"),
        "gradients": ("gradient norm by layer", "learning rate"),
        "layers": ("update / weight by layer", "dead units"),
        "metrics": ("balanced accuracy", "macro-F1"),
    }
    async with app.run_test(size=(120, 45)) as pilot:
        await pilot.pause()
        assert isinstance(app.screen, ResultsScreen)
        assert "mine · finished" in lines(app)[0]
        assert "test 90.00 % (900 of 990)" in lines(app)[0]
        switcher = app.screen.query_one(ContentSwitcher)
        for page, key in PAGES.items():
            await pilot.press(key)
            await pilot.pause()
            assert switcher.current == page
            for words in seen[page]:
                assert words in text(app), page
        turned = []
        for key in ("tab", "tab", "shift+tab", "shift+tab", "shift+tab"):
            await pilot.press(key)
            turned.append(switcher.current)
        assert turned == ["summary", "curves", "summary", "metrics", "layers"]


async def test_the_settings_show_changed_values(write_run: WriteRun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    app = opened(write_run("mine", "optimizer.lr=0.25", lr=0.125, epochs=5))
    async with app.run_test(size=(120, 60)) as pilot:
        await pilot.pause()
        assert "adam 0.25→0.125" in text(app)
        await pilot.press("6")
        await pilot.pause()
        shown = [" ".join(line.split()) for line in lines(app) if "→" in line]
        assert shown == ["• optimizer.lr 0.25→0.125 default 0.001", "• training.epochs 3→5 default 10"]


async def test_a_run_that_ran_out_of_memory_offers_one_that_fits(write_run: WriteRun) -> None:
    fitting = {"data.batch_size": 16, "optimizer.accumulate": 4, "no.such": 1}
    folder = write_run("large", "data.batch_size=64", status="failed", reason="Out of memory.", fitting=fitting)
    app = opened(folder)
    async with app.run_test(size=(160, 30)) as pilot:
        await pilot.pause()
        assert "fit memory" in footer(app)
        await pilot.press("Z")
        await pilot.pause()
        assert isinstance(app.screen, NewRunScreen)
        form = app.screen.form
        assert (form.fields["data.batch_size"].text, form.fields["optimizer.accumulate"].text) == ("16", "4")


async def test_other_runs_do_not_offer_one_that_fits(write_run: WriteRun) -> None:
    app = opened(write_run("one"))
    async with app.run_test(size=(160, 30)) as pilot:
        await pilot.press("Z")
        await pilot.pause()
        assert "fit memory" not in footer(app)
        assert isinstance(app.screen, ResultsScreen)


async def test_y_fills_the_form_with_the_runs_settings(write_run: WriteRun) -> None:
    app = opened(write_run("mine", "optimizer.lr=0.125"))
    async with app.run_test() as pilot:
        await pilot.press("y")
        await pilot.pause()
        assert isinstance(app.screen, NewRunScreen)
        assert app.screen.form.fields["optimizer.lr"].text == "0.125"
        await pilot.press("escape")
        await pilot.pause()
        assert isinstance(app.screen, ResultsScreen)


async def test_shift_d_fills_the_form_with_parts_of_the_data(write_run: WriteRun) -> None:
    app = opened(write_run("mine", "training.seed=7", "data.fraction=0.5", "optimizer.lr=0.125"))
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("D")
        await pilot.pause()
        assert isinstance(app.screen, NewRunScreen)
        texts = {key: field.text for key, field in app.screen.form.fields.items()}
        assert (texts["data.fraction"], texts["training.seed"]) == ("0.1,0.25,0.5,1", "7,8,9")
        assert texts["optimizer.lr"] == "0.125"
        sweep = app.screen.result.sweep()
        assert is_learning_curve(sweep)
        assert (sweep.seeds, sweep.base.training.seed) == (3, 7)


@pytest.mark.parametrize("damaged", ["run.json", "state.json", "config.toml"])
async def test_a_damaged_run_shows_the_problem_on_every_page(write_run: WriteRun, damaged: str) -> None:
    folder = write_run("one")
    (folder.path / damaged).write_text("{")
    app = opened(folder)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        assert f"{damaged} is damaged" in lines(app)[0] + lines(app)[3]
        for key in PAGES.values():
            await pilot.press(key)
        await pilot.pause()
        assert "clone" not in footer(app)
        await pilot.press("y", "w")
        assert isinstance(app.screen, ResultsScreen)


async def test_hostile_runs_are_text_on_every_page(write_run: WriteRun) -> None:
    folder = write_run(HOSTILE, "data.dir=[red]x[/]", classes=[HOSTILE] * 4, reason=HOSTILE, seconds=1e308)
    info = folder.info_file.read_bytes().replace(b'"device": ""', b'"device": "\\u001b[31m"')
    folder.info_file.write_bytes(info)
    with folder.log_file.open("a") as log:
        log.write(HOSTILE + "\n")
    with folder.metrics_file.open("ab") as file:
        file.write(encode(Train(2**53, 2**53, 1e308, -1e308, 5e-324, 1e308, 1e308, 1e308, (1e308,) * 200)) + b"\n")
    app = opened(folder)
    async with app.run_test(size=(120, 40)) as pilot:
        for key in PAGES.values():
            await pilot.press(key)
            await pilot.pause()
            assert "\x1b" not in text(app)
            assert "�[2J[red]x[/]" in text(app)


async def test_every_page_on_every_screen(write_run: WriteRun) -> None:
    app = opened(write_run("one", evaluations=THREE, classes=["a", "b"]))
    async with app.run_test(size=(120, 40)) as pilot:
        for page, key in PAGES.items():
            await pilot.press(key)
            for size in ((1, 1), (60, 20)):
                await pilot.resize_terminal(*size)
                await pilot.pause()
                assert all(len(line) == size[0] for line in lines(app))
            assert "one · finished" in lines(app)[0]
            assert f"{key} {page}" in lines(app)[1]
            assert lines(app)[1].split()[-1] in ("m", "metrics")
        for size in ((80, 24), (120, 40)):
            await pilot.resize_terminal(*size)
            await pilot.press("1")
            await pilot.pause()
            assert "most confused on test" in text(app) or size[1] < 40
            await pilot.press("3")
            await pilot.pause()
            assert "the best weights" in text(app)


async def test_new_rows_of_the_run_are_shown(write_run: WriteRun) -> None:
    folder = write_run("one")
    app = opened(folder)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("7")
        with folder.log_file.open("a") as log:
            log.write("one line more\n")
        assert isinstance(app.screen, ResultsScreen)
        app.screen.tick()
        await pilot.pause()
        assert text(app).count("one line more") == 1
        await pilot.press("1", "7")
        await pilot.pause()
        assert text(app).count("one line more") == 1


async def test_it_stops_ticking_while_it_is_covered_and_escape_goes_home(write_run: WriteRun) -> None:
    app = opened(write_run("one"))
    async with app.run_test() as pilot:
        await pilot.pause()
        run = app.screen
        assert isinstance(run, ResultsScreen)
        assert run._timer is not None
        await pilot.press("question_mark")
        await pilot.pause()
        assert run._timer is None
        await pilot.press("escape", "escape")
        await pilot.pause()
        assert isinstance(app.screen, HomeScreen)
        assert run._timer is None
