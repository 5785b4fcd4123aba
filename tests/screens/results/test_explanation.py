"""Explain an image of the results."""

import time
from collections.abc import Callable

import pytest
from msgspec.structs import replace
from textual.app import App

from screen_text import footer, text
from screens.results.results_app import WriteRun, opened
from tuitrain.app.app import TuitrainApp
from tuitrain.hosts.explain.explained import Explained, Neighbour, SmallPicture, Source
from tuitrain.hosts.explain.process import Answer, ExplainProcess, Request
from tuitrain.hosts.thread import ThreadHost
from tuitrain.runs.follower import Follower
from tuitrain.screens.results.explanation import ExplanationScreen
from tuitrain.screens.results.screen import ResultsScreen

PICTURE = SmallPicture(4, 4, 1, bytes(range(0, 160, 10)))


class FakeProcess(ExplainProcess):
    def __init__(self) -> None:
        super().__init__()
        self.requests: list[Request] = []
        self.closed = False

    def request(self, request: Request) -> None:
        self.requests.append(request)
        self.latest = Answer(request, doing="loading the network")

    def answer(self) -> None:
        explained = Explained("test image 7", "Grad-CAM", 0, 9, 9, 0.97, PICTURE, PICTURE, PICTURE)
        near = (Neighbour(5, "train/five.png", 0, 0.99, PICTURE),)
        self.latest = Answer(self.requests[-1], explained=explained, neighbours=near, classes=tuple("abcdefghij"))

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def process(monkeypatch: pytest.MonkeyPatch) -> FakeProcess:
    made = FakeProcess()
    monkeypatch.setattr("tuitrain.screens.results.screen.ExplainProcess", lambda: made)
    return made


async def test_from_the_runs_table_to_an_explanation_in_few_keys(write_run: WriteRun, process: FakeProcess) -> None:
    folder = write_run("one")
    app = TuitrainApp(folder.path.parent, ThreadHost())
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        await pilot.press("enter")
        await pilot.pause()
        assert isinstance(app.screen, ResultsScreen)
        # The cursor of the matrix is on the most confused pair; the only image is of 0 → 9.
        await pilot.press("3")
        app.screen.query_one("ConfusionMatrix").select(0, 9)  # type: ignore[attr-defined]
        await pilot.press("W")
        await pilot.pause()
        assert isinstance(app.screen, ExplanationScreen)
        assert process.requests == [Request(str(folder.path.absolute()), "last", Source("test", 7))]
        assert "loading the network …" in text(app)
        process.answer()
        app.screen.tick()
        await pilot.pause()
        assert "true a" in text(app)
        assert "what speaks for j" in text(app)
        assert "≠ a 0.99" in text(app)
        await pilot.press("H")
        await pilot.pause()
        assert "as the network sees it" in text(app)
        assert footer(app)[:3] == ["heat map", "next image", "previous"]
        await pilot.press("escape")
        await pilot.pause()
        assert isinstance(app.screen, ResultsScreen)
        assert not process.closed
        await pilot.press("escape", "escape")
        await pilot.pause()
        assert process.closed


async def test_keys_explain_the_next_image(write_run: WriteRun, process: FakeProcess) -> None:
    folder = write_run("one")
    evaluation = folder.evaluation("test")
    assert evaluation is not None
    first = evaluation.worst[0]
    second = replace(first, index=8, file="b/8.png")
    folder.write_evaluation(replace(evaluation, worst=[first, second]))
    app = opened(folder)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        await pilot.press("5", "W")
        await pilot.pause()
        assert "1 of 2" in text(app)
        await pilot.press("l", "l", "h", "l")
        await pilot.pause()
        assert "2 of 2" in text(app)
        assert process.requests[-1].source == Source("test", 8, "b/8.png")
        await pilot.press("W")
        await pilot.pause()
        assert app.screen.query_one("#worst").selected == second  # type: ignore[attr-defined]


async def test_nothing_to_explain(write_run: WriteRun, process: FakeProcess) -> None:
    app = opened(write_run("one"))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        assert "why" not in footer(app)
        await pilot.press("W", "3", "W")
        await pilot.pause()
        # The most confused pair has no stored image.
        assert isinstance(app.screen, ResultsScreen)
        assert app.screen.page == "worst"
        assert process.requests == []


async def until(app: App[None], condition: Callable[[], bool], pilot: object) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline, text(app)
        await pilot.pause(0.05)  # type: ignore[attr-defined]


async def test_a_real_process_explains_and_says_what_is_missing(train: Callable[..., Follower]) -> None:
    folder = train("model.hidden=8", "training.epochs=1", "optimizer.lr=0.0001").folder
    app = opened(folder)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        await pilot.press("5", "W")
        await until(app, lambda: "Nearest training images" in text(app), pilot)
        assert "input gradient: what speaks for" in text(app)
        await pilot.press("escape", "escape")
    (folder.checkpoints / "last.safetensors").unlink()
    app = opened(folder)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        await pilot.press("5", "W")
        await until(app, lambda: "has no checkpoint" in text(app), pilot)
