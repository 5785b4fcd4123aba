"""The verdict on the summary page, and the process that computes missing baselines."""

import pytest

from screen_text import text
from screens.results.results_app import THREE, WriteRun, opened
from tuitrain.hosts.preview.report import Answer, Request
from tuitrain.hosts.verdict.process import VerdictProcess
from tuitrain.runs.baselines import Baselines, write_baselines
from tuitrain.runs.marks import Mark, marks_file, write_marks
from tuitrain.screens.results.screen import ResultsScreen

HOSTILE = "\x1b[2J[red]x[/]"
BASELINES = Baselines(
    split="test", training_images=9, images=990, commonest_class=0.1, nearest_neighbor=0.8, linear=0.7
)


class FakeProcess(VerdictProcess):
    def __init__(self) -> None:
        super().__init__()
        self.requests: list[Request] = []

    def request(self, request: Request) -> None:
        self.requests.append(request)
        self.latest = Answer(doing="loading torch")


@pytest.fixture
def process(monkeypatch: pytest.MonkeyPatch) -> FakeProcess:
    made = FakeProcess()
    monkeypatch.setattr("tuitrain.screens.results.result_panel.VerdictProcess", lambda: made)
    return made


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_missing_baselines_are_computed_on_request(
    write_run: WriteRun, process: FakeProcess, size: tuple[int, int]
) -> None:
    folder = write_run("one")
    app = opened(folder)
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        assert isinstance(app.screen, ResultsScreen)
        assert "95 % interval 88.96 – 92.55 %" in text(app)
        assert "Not compared with simple classifiers yet: press B" in text(app)
        assert app.screen.check_action("baselines", ())
        await pilot.press("B")
        await pilot.pause()
        assert "loading torch …" in text(app)
        assert process.requests == [Request(str(folder.path.absolute()), "last")]
        process.latest = Answer(problem="No comparison: [red]no[/]")
        app.screen.tick()
        await pilot.pause()
        assert "No comparison: [red]no[/]" in text(app)
        write_baselines(folder, BASELINES)
        process.latest = Answer(report=BASELINES)
        app.screen.tick()
        await pilot.pause()
        assert "nearest neighbor 80.00 % · linear model 70.00 % · commonest class 10.00 %" in text(app)
        assert "The network makes 55 % fewer errors than the best simple classifier" in text(app)
        assert not app.screen.check_action("baselines", ())


async def test_a_network_no_better_than_a_baseline_is_a_warning(write_run: WriteRun) -> None:
    folder = write_run("one", classes=[HOSTILE] * 4)
    write_baselines(folder, Baselines(
        split="test", training_images=9, images=9, commonest_class=0.1, nearest_neighbor=0.99, linear=0.7
    ))  # fmt: skip
    app = opened(folder)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        assert "! The network is NOT BETTER than a simple classifier" in text(app)
        assert "\x1b" not in text(app)


async def test_marked_labels_change_the_next_step(write_run: WriteRun) -> None:
    folder = write_run("one")
    info = folder.info_file.read_bytes().replace(b'"sizes": {}', b'"sizes": {"train": 90, "validation": 10}')
    folder.info_file.write_bytes(info)
    app = opened(folder)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        assert isinstance(app.screen, ResultsScreen)
        assert "correct the labels" not in text(app)
        write_marks(marks_file(folder), {f"test {n}": Mark("a", "wrong", "b") for n in range(50)})
        app.screen.tick()
        await pilot.pause()
        assert "Next step: correct the labels. 50 of 100 labels (50.00 %) look wrong" in text(app)


async def test_an_active_run_has_no_verdict(write_run: WriteRun) -> None:
    folder = write_run("one", evaluations=THREE, status="failed", reason="The loss became NaN.")
    app = opened(folder)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        assert "95 % interval" in text(app)
        ended = folder.state_file.read_bytes()
        folder.state_file.write_bytes(
            ended.replace(b'"failed"', b'"running"').replace(b'"heartbeat": ', b'"heartbeat": 1')
        )
        assert isinstance(app.screen, ResultsScreen)
        app.screen.tick()
        await pilot.pause()
        assert "95 % interval" not in text(app)
