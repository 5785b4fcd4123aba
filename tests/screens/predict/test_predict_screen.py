"""The screen that classifies pictures."""

from collections.abc import Callable

import msgspec
import pytest

from screen_text import footer, text
from tuitrain.app.app import TuitrainApp
from tuitrain.hosts.explain.explained import SmallPicture
from tuitrain.hosts.explain.process import Request as ExplainRequest
from tuitrain.hosts.predict import Guess
from tuitrain.hosts.predict_process import Answer, PredictProcess, Request
from tuitrain.hosts.thread import ThreadHost
from tuitrain.runs.folder import RunFolder
from tuitrain.screens.predict.screen import PredictScreen
from tuitrain.widgets.explanation import ExplanationPanel
from tuitrain.widgets.picture import PictureView

WriteRun = Callable[..., RunFolder]
HOSTILE = "a\x1b[31m[red].png"


class FakeProcess(PredictProcess):
    """Answers a request when the test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.requests: list[Request] = []
        self.closed = False

    def request(self, request: Request) -> None:
        self._requested = request
        self.requests.append(request)

    def answer(self, problem: str = "") -> None:
        request = self.requests[-1]
        number = (request.number or 0) % 3
        top = (Guess("[b]ship", 0.75), Guess("bird\x1b", 0.2))
        picture = SmallPicture(2, 3, 3, bytes(range(200, 218)))
        self.latest = Answer(
            request, "", problem, f"/photos/{number}{HOSTILE}", number, 3, picture, () if problem else top, "resized"
        )

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def process(monkeypatch: pytest.MonkeyPatch) -> FakeProcess:
    made = FakeProcess()
    monkeypatch.setattr("tuitrain.screens.predict.screen.PredictProcess", lambda: made)
    return made


@pytest.mark.parametrize("size", [(60, 20), (80, 24), (120, 40)])
async def test_pictures_of_a_folder_by_keyboard(
    write_run: WriteRun, process: FakeProcess, size: tuple[int, int]
) -> None:
    folder = write_run("one")
    app = TuitrainApp(folder.path.parent, ThreadHost(), folder)
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        await pilot.press("F")
        await pilot.pause()
        screen = app.screen
        assert isinstance(screen, PredictScreen)
        assert not process.requests
        await pilot.press(*"/photos")
        await pilot.press("enter")
        await pilot.pause()
        request = process.requests[-1]
        view = screen.query_one("#picture").size
        assert request == Request(str(folder.path.absolute()), "last", "/photos", None, view.width, 2 * view.height)
        assert "next picture" not in footer(app)
        process.answer()
        screen.tick()
        await pilot.pause()
        shown = text(app)
        assert "[b]ship" in shown
        assert "75.00 %" in shown
        # Half blocks, or shades without colors.
        assert len(screen.query_one(PictureView).render_line(0).text.strip()) == 3
        assert "1 of 3" in shown
        assert "next picture" in footer(app)
        # Keys that arrive before the answer move on.
        await pilot.press("l", "l")
        assert process.requests[-1].number == 2
        await pilot.press("h", "w")
        assert (process.requests[-1].number, process.requests[-1].which) == (1, "best")
        assert "75.00 %" in text(app)
        process.answer("not [b]an\N{REPLACEMENT CHARACTER} image")
        screen.tick()
        await pilot.pause()
        assert "not [b]an\N{REPLACEMENT CHARACTER} image" in text(app)
        assert text(app).replace("\n", "").isprintable()
        await pilot.press("slash", *"/x")
        assert "/photos/x" in text(app)
        await pilot.press("escape")
        await pilot.pause()
        assert process.closed


async def test_the_runs_table_opens_it(write_run: WriteRun, process: FakeProcess) -> None:  # noqa: ARG001
    folder = write_run("one")
    app = TuitrainApp(folder.path.parent, ThreadHost())
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        await pilot.press("F")
        await pilot.pause()
        assert isinstance(app.screen, PredictScreen)
        assert folder.id[:20] in text(app)


def test_an_answer_to_an_older_request_is_dropped() -> None:
    process, sent = PredictProcess(), list[bytes]()
    process._child.send = sent.append  # type: ignore[assignment, method-assign]
    first, second = (Request("run", "last", path) for path in ("a", "b"))
    for request in (first, first, second):
        process.request(request)
    assert len(sent) == 2
    for request, expected in ((first, None), (second, Answer(second, doing="classifying"))):
        process._receive(msgspec.json.encode(Answer(request, doing="classifying")))
        assert process.latest == expected


async def test_the_prediction_of_the_shown_picture_is_explained(write_run: WriteRun, process: FakeProcess) -> None:
    folder = write_run("one")
    app = TuitrainApp(folder.path.parent, ThreadHost(), folder)
    explained: list[ExplainRequest] = []
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        await pilot.press("F")
        await pilot.pause()
        screen = app.screen
        assert isinstance(screen, PredictScreen)
        screen._explanations.request = explained.append  # type: ignore[assignment, method-assign]
        await pilot.press(*"/photos", "enter", "W")
        assert not explained, "there is no prediction yet"
        process.answer()
        screen.tick()
        await pilot.press("W")
        assert screen.query_one(ExplanationPanel).display
        assert [request.source.path for request in explained] == [f"/photos/0{HOSTILE}"]
        await pilot.press("l")
        process.answer()
        screen.tick()
        assert [request.source.path for request in explained] == [f"/photos/{number}{HOSTILE}" for number in (0, 1)]
        assert "heat map" in footer(app)
        await pilot.press("W")
        assert not screen.query_one(ExplanationPanel).display
