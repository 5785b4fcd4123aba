"""The accuracy under noise, blur, brightness and JPEG compression."""

import msgspec
import pytest

from runs.test_robustness import RECORD
from screen_text import footer, text
from screens.results.results_app import WriteRun, opened
from tuitrain.app.app import TuitrainApp
from tuitrain.hosts.preview.report import Answer, Request
from tuitrain.hosts.robustness.process import RobustnessProcess
from tuitrain.runs.robustness import Robustness, robustness_file, write_robustness
from tuitrain.screens.results.robustness import RobustnessScreen
from tuitrain.screens.results.screen import ResultsScreen


class FakeProcess(RobustnessProcess):
    def __init__(self) -> None:
        super().__init__()
        self.requests: list[Request] = []
        self.closed = 0

    def request(self, request: Request) -> None:
        self.requests.append(request)
        self.latest = Answer(doing="corrupting: 50 of 100 images", fraction=0.5)

    def close(self) -> None:
        self.closed += 1


def words(app: TuitrainApp) -> str:
    return " ".join(text(app).split())


@pytest.fixture
def process(monkeypatch: pytest.MonkeyPatch) -> FakeProcess:
    made = FakeProcess()
    monkeypatch.setattr("tuitrain.screens.results.actions.RobustnessProcess", lambda: made)
    return made


@pytest.mark.parametrize("size", [(60, 20), (80, 24), (120, 40)])
async def test_a_process_evaluates_and_the_table_and_chart_follow(
    write_run: WriteRun, process: FakeProcess, size: tuple[int, int]
) -> None:
    folder = write_run("one")
    app = opened(folder)
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        await pilot.press("J")
        await pilot.pause()
        assert process.requests == [Request(str(folder.path.absolute()), "")]
        assert "corrupting: 50 of 100 images … 50 % (esc cancels)" in words(app)
        assert "export" not in footer(app)
        process.latest = Answer(report=RECORD)
        screen = app.screen
        assert isinstance(screen, RobustnessScreen)
        screen.poll_now()
        await pilot.pause()
        shown = words(app)
        for part in ("clean 90.00 % · corrupted 50.00 % · test, best weights, epoch 3", "JPEG", "strength"):
            assert part in shown
        assert "blur 20.00 % 20.00 % 20.00 % 20.00 % 20.00 % 20.00 % brightness 80.00 % 70.00 %" in shown
        assert "export" in footer(app)
        markdown, csv = (export.text() for export in screen.exports()[:2])
        assert markdown.splitlines()[3].startswith("| blur | 20.00 % |")
        assert csv.splitlines()[-1].endswith("50.00 %")
        await pilot.press("escape")
        await pilot.pause()
        assert isinstance(app.screen, ResultsScreen)
        assert process.closed == 0


async def test_escape_cancels_the_evaluation(write_run: WriteRun, process: FakeProcess) -> None:
    app = opened(write_run("one"))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        for count in (1, 2):
            await pilot.press("J")
            await pilot.pause()
            await pilot.press("escape")
            await pilot.pause()
            assert isinstance(app.screen, ResultsScreen)
            assert (process.closed, len(process.requests), process.latest) == (count, count, None)


@pytest.mark.parametrize(("step", "requests"), [(60, 0), (40, 1)])
async def test_a_stored_result_of_the_present_weights_is_shown_at_once(
    write_run: WriteRun, process: FakeProcess, step: int, requests: int
) -> None:
    folder = write_run("one")
    write_robustness(folder, msgspec.structs.replace(RECORD, step=step))
    app = opened(folder)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        await pilot.press("J")
        await pilot.pause()
        assert len(process.requests) == requests
        assert ("clean 90.00 %" in words(app)) == (requests == 0)


async def test_problems_are_shown(write_run: WriteRun, process: FakeProcess) -> None:
    folder = write_run("one")
    robustness_file(folder).write_bytes(b"\xff")
    app = opened(folder)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        await pilot.press("J")
        await pilot.pause()
        assert any("robustness.json is damaged" in note.message for note in app._notifications)
        process.latest = Answer[Robustness](problem="one has 4 channels")
        assert isinstance(app.screen, RobustnessScreen)
        app.screen.poll_now()
        await pilot.pause()
        assert "one has 4 channels" in words(app)
        await pilot.press("E", "J")
        await pilot.pause()
        assert isinstance(app.screen, ResultsScreen)
