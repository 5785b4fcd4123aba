"""Damaged and hostile runs on the training screen."""

from pathlib import Path

from screen_text import lines, text
from screens.training.training_app import WriteRun, opened, tick
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.rows import Train, encode
from tuitrain.screens.training import TrainingScreen

SIZES = [(60, 20), (80, 24), (120, 40)]
HOSTILE = "\x1b[2J[red]x[/] [@click=app.quit]y[/]"


async def test_hostile_runs_are_text_and_no_end(write_run: WriteRun) -> None:
    folder = write_run(
        HOSTILE, status="running", reason=HOSTILE, phase=HOSTILE * 9, epochs=2**53, steps=2**53, seconds=1e308
    )
    with folder.log_file.open("a") as log:
        log.write(f"{HOSTILE}\n" * 3)
    with folder.metrics_file.open("ab") as file:
        row = Train(2**53, 2**53, 1e308, -1e308, 5e-324, 1e308, 1e308, 1e308, (1e308,) * 200)
        file.write(encode(row) + b"\n")
    app = opened(folder)
    async with app.run_test(size=(120, 40)) as pilot:
        for key in ("1", "X", "X", "L", "2", "X", "3"):
            await pilot.press(key)
            await pilot.pause()
            assert "\x1b" not in text(app)
        for size in SIZES:
            await pilot.resize_terminal(*size)
            await pilot.pause()
            assert "\x1b" not in text(app)
            assert "�[2J[red]x[/]" in text(app)
        assert isinstance(app.screen, TrainingScreen)


async def test_the_run_is_gone(write_run: WriteRun) -> None:
    folder = write_run("one", status="running")
    app = opened(folder)
    async with app.run_test(size=(120, 30)) as pilot:
        await pilot.pause()
        folder.path.rename(folder.path.with_name(".gone"))
        await tick(app, pilot)
        assert "state.json is missing." in text(app)
        await pilot.press("p", "s", "2", "3", "1")
        await pilot.press("escape")
        await pilot.pause()
        assert "No runs yet" in text(app)


async def test_the_path_of_a_runs_folder_with_odd_characters(write_run: WriteRun, tmp_path: Path) -> None:
    folder = write_run("one", status="running")
    odd = tmp_path / "[red] \x1b[2J"
    folder.path.parent.rename(odd)
    app = opened(RunFolder(odd / folder.id))
    async with app.run_test(size=(120, 30)) as pilot:
        await pilot.pause()
        assert isinstance(app.screen, TrainingScreen)
        await pilot.press("escape")
        await pilot.pause()
        assert "[red] �[2J" in lines(app)[0]
