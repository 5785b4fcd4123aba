"""Look through the suspects of a run, and mark them."""

from pathlib import Path

import pytest

from screen_text import footer, text
from screens.results.results_app import WriteRun, opened
from tuitrain.hosts.explain.explained import Source
from tuitrain.hosts.explain.process import Answer as ExplainAnswer
from tuitrain.hosts.explain.process import ExplainProcess
from tuitrain.hosts.explain.process import Request as ExplainRequest
from tuitrain.hosts.preview.report import Answer, Request
from tuitrain.hosts.suspects.process import SuspectsProcess
from tuitrain.hosts.suspects.report import Image, Pair, Report, Suspect
from tuitrain.runs.marks import RIGHT, WRONG, Mark, marks_file, read_marks
from tuitrain.screens.results.mark_tables import corrected_labels, excluded_images
from tuitrain.screens.results.screen import ResultsScreen
from tuitrain.screens.results.suspects import SuspectsScreen

CLASSES = ("ant", "bee", "cow")
IMAGES = [Image("test", 0, "test/0.png", 0), Image("training", 0, "train/0.png", 1), Image("training", 1, "1.png", 2)]
SUSPECTS = tuple(
    Suspect(image, suggested, 0.01, -0.9, wrong)
    for image, suggested, wrong in zip(IMAGES, (1, 2, 0), (True, True, False), strict=True)
)
REPORT = Report(CLASSES, SUSPECTS, (Pair(IMAGES[1], IMAGES[0], True, 1.0),))
DONE = Answer(report=REPORT)


class FakeSuspects(SuspectsProcess):
    def __init__(self) -> None:
        super().__init__()
        self.requests: list[Request] = []
        self.given: Answer[Report] = DONE

    def request(self, request: Request) -> None:
        self.requests.append(request)
        self.latest = self.given


class FakeExplanations(ExplainProcess):
    def __init__(self) -> None:
        super().__init__()
        self.requests: list[ExplainRequest] = []

    def request(self, request: ExplainRequest) -> None:
        self.requests.append(request)
        self.latest = ExplainAnswer(request, doing="loading the network")


@pytest.fixture
def process(monkeypatch: pytest.MonkeyPatch) -> FakeSuspects:
    made = FakeSuspects()
    monkeypatch.setattr("tuitrain.screens.results.screen.SuspectsProcess", lambda: made)
    return made


@pytest.fixture
def explanations(monkeypatch: pytest.MonkeyPatch) -> FakeExplanations:
    made = FakeExplanations()
    monkeypatch.setattr("tuitrain.screens.results.screen.ExplainProcess", lambda: made)
    return made


@pytest.mark.parametrize("size", [(60, 20), (80, 24), (120, 40)])
async def test_keys_mark_labels_and_go_on(
    write_run: WriteRun, process: FakeSuspects, explanations: FakeExplanations, size: tuple[int, int]
) -> None:
    folder = write_run("one")
    app = opened(folder)
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        await pilot.press("V")
        await pilot.pause()
        assert isinstance(app.screen, SuspectsScreen)
        assert process.requests == [Request(str(folder.path.absolute()), "last")]
        shown = text(app)
        for words in ("2 of 3 likely", "test/0.png", "suggested bee", "likely wrong", "loading the network"):
            assert words in shown
        assert explanations.requests[-1].source == Source("test", 0, "test/0.png")
        if size[0] >= 120:
            assert "identical to training train/0.png" in shown
            # One label is contradicted, and not likely wrong.
            assert "many may be hard images: similar ones contradict 100.00 %" in shown
        await pilot.press("exclamation_mark")
        await pilot.pause()
        assert explanations.requests[-1].source == Source("training", 0, "train/0.png")
        await pilot.press("equals_sign")
        await pilot.pause()
        marks = {"test/0.png": Mark("ant", WRONG, "bee"), "train/0.png": Mark("bee", RIGHT, "")}
        assert read_marks(marks_file(folder)) == marks
        shown = text(app)
        assert "✗  ant" in shown
        assert "✓  bee" in shown
        assert "1 marked" in shown
        await pilot.press("k", "u")
        await pilot.pause()
        assert read_marks(marks_file(folder)) == {"test/0.png": marks["test/0.png"]}
        # Another class than the suggested one, from the list of all.
        await pilot.press("k", "number_sign")
        await pilot.pause()
        await pilot.press("down", "enter")
        await pilot.pause()
        assert read_marks(marks_file(folder)) == {"test/0.png": Mark("ant", WRONG, "cow")}
        assert "cow" in text(app)
        await pilot.press("escape")
        await pilot.pause()
        assert isinstance(app.screen, ResultsScreen)


@pytest.mark.usefixtures("process", "explanations")
async def test_marks_are_exported_for_another_run(
    write_run: WriteRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    app = opened(write_run("one"))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        await pilot.press("V")
        await pilot.pause()
        assert "export" in footer(app)
        await pilot.press("exclamation_mark")
        screen = app.screen
        assert isinstance(screen, SuspectsScreen)
        found = {export.name: export.text() for export in screen.exports()[:3]}
    assert found == {
        "marks": "file,label,mark,suggested\ntest/0.png,ant,wrong,bee\n",
        "labels": "file,label,split\ntest/0.png,bee,test\ntrain/0.png,bee,training\n1.png,cow,training\n",
        "exclude": "file\ntest/0.png\n",
    }


def test_a_mark_of_another_label_corrects_nothing() -> None:
    marks = {"test/0.png": Mark("cow", WRONG, "bee"), "1.png": Mark("cow", RIGHT, "")}
    assert [row[1] for row in corrected_labels(REPORT, marks)] == ["label", "ant", "bee", "cow"]
    assert excluded_images(marks) == [["file"], ["test/0.png"]]


@pytest.mark.usefixtures("explanations")
async def test_a_problem_is_shown_and_nothing_can_be_marked(write_run: WriteRun, process: FakeSuspects) -> None:
    process.given = Answer(problem="one has no checkpoint last.safetensors.")
    app = opened(write_run("one"))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        await pilot.press("V")
        await pilot.pause()
        assert "has no checkpoint" in text(app)
        assert "wrong" not in footer(app)
        await pilot.press("exclamation_mark", "equals_sign", "u", "number_sign", "j", "k", "H", "E", "escape")
        await pilot.pause()
        assert isinstance(app.screen, ResultsScreen)


@pytest.mark.usefixtures("process", "explanations")
async def test_marks_that_cannot_be_read_are_not_replaced(write_run: WriteRun) -> None:
    folder = write_run("one")
    marks_file(folder).write_bytes(b"\xff")
    app = opened(folder)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        await pilot.press("V")
        await pilot.pause()
        await pilot.press("exclamation_mark")
        await pilot.pause()
        assert marks_file(folder).read_bytes() == b"\xff"
        assert "wrong" not in footer(app)
