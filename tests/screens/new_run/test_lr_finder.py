"""The learning-rate range test in the form."""

from pathlib import Path

import pytest

from open_new_run import opened
from tuitrain.hosts.preview.lr_range import RangeAnswer, RangeRequest
from tuitrain.screens.new_run.lr_finder import LRFinder
from tuitrain.screens.new_run.screen import NewRunScreen


class FakeProcess:
    def __init__(self, request: RangeRequest) -> None:
        self.request, self.latest, self.closed = request, RangeAnswer("loading torch"), False

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[FakeProcess]:
    made: list[FakeProcess] = []

    def start(request: RangeRequest) -> FakeProcess:
        made.append(FakeProcess(request))
        return made[-1]

    monkeypatch.setattr("tuitrain.screens.new_run.lr_finder.RangeProcess", start)
    return made


async def test_one_key_takes_the_suggested_learning_rate(tmp_path: Path, started: list[FakeProcess]) -> None:
    async with opened(tmp_path) as form:
        await form.type("training.seed", "7")
        await form.press("ctrl+k")
        (process,) = started
        assert process.request.config.training.seed == 7
        # Nothing is suggested yet.
        await form.press("enter")
        assert isinstance(form.app.screen, LRFinder)
        process.latest = RangeAnswer("", (1e-4, 1e-3, 1e-2), (2.0, 1.0, 3.0), 0.00123456)
        await form.until(lambda: "suggested learning rate 0.00123" in form.said("message"))
        await form.press("enter")
        assert isinstance(form.app.screen, NewRunScreen)
        assert form.form.form.texts["optimizer.lr"] == "0.00123"
        assert process.closed


async def test_escape_ends_the_test_and_changes_nothing(tmp_path: Path, started: list[FakeProcess]) -> None:
    async with opened(tmp_path) as form:
        await form.press("ctrl+k")
        started[0].latest = RangeAnswer(problem="There is no folder [b]x.")
        await form.until(lambda: "There is no folder [b]x." in form.said("message"))
        await form.press("escape")
        assert started[0].closed
        assert form.form.form.texts["optimizer.lr"] == "0.001"
