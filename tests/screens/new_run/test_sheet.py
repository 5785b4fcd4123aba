"""The sheet of augmented images."""

from pathlib import Path

import pytest

from open_new_run import Opened, opened
from tuitrain.config.schema import Config
from tuitrain.config.values import override
from tuitrain.hosts.preview.sheet import Request, Sheet, SheetPicture, SheetProcess, SheetRow
from tuitrain.screens.new_run.screen import NewRunScreen
from tuitrain.screens.new_run.sheet import AugmentationSheet
from tuitrain.widgets.forms.augmented_images import AugmentedImages


def picture(value: int) -> SheetPicture:
    return SheetPicture(16, 16, 1, bytes([value]) * 256)


def sheet(request: Request) -> Sheet:
    rows = (
        SheetRow(f"class {number} [b]", picture(50 * number), tuple(picture(10 * n) for n in range(12)))
        for number in range(4)
    )
    return Sheet(request, tuple(rows))


class FakeProcess(SheetProcess):
    """Answers a request when the test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.requests: list[Request] = []
        self.closed = False

    def request(self, request: Request) -> None:
        if not self.waiting:
            self.requests.append(request)
            self._requested = request

    def answer(self, problem: str = "") -> None:
        made = sheet(self.requests[-1])
        self.latest = Sheet(made.request, problem=problem) if problem else made

    def close(self) -> None:
        self.closed = True


def lines(form: Opened) -> list[str]:
    images = form.app.screen.query_one(AugmentedImages)
    return [images.render_line(y).text.rstrip() for y in range(images.size.height)]


@pytest.fixture
def process(monkeypatch: pytest.MonkeyPatch) -> FakeProcess:
    made = FakeProcess()
    monkeypatch.setattr("tuitrain.screens.new_run.screen.SheetProcess", lambda: made)
    return made


async def test_the_sheet_of_the_form_as_it_is(tmp_path: Path, process: FakeProcess) -> None:
    async with opened(tmp_path) as form:
        await form.type("training.seed", "7")
        await form.press("ctrl+x")
        assert isinstance(form.app.screen, AugmentationSheet)
        assert process.requests == [Request(override(Config(), ["training.seed=7"]), 0, may_run=True)]
        assert "drawing" in form.said("head")
        assert "no augmentation" in form.said("head")
        process.answer()
        await form.until(lambda: "class" in "".join(lines(form)))
        assert "drawing" not in form.said("head")
        shown = lines(form)
        assert [line.strip() for line in shown if "class" in line] == [
            f"class {number} [b]       in training" for number in range(4)
        ]
        # One more key draws again; while it is drawn, the old pictures stay.
        await form.press("n")
        await form.press("n")
        assert [request.draw for request in process.requests] == [0, 1]
        assert lines(form) == shown
        process.answer("mnist is not downloaded yet\x1b[31m")
        await form.until(lambda: "not downloaded" in form.said("message"))
        assert "\x1b" not in form.said("message")
        await form.press("escape")
        assert isinstance(form.app.screen, NewRunScreen)
        assert form.text("training.seed") == "7"
        # An invalid form has no sheet.
        await form.type("optimizer.lr", "x")
        await form.press("ctrl+x")
        assert form.said("message") == "No images: 1 setting is invalid."
        assert form.current.key == "optimizer.lr"
        assert len(process.requests) == 2
        assert not process.closed
    assert process.closed


@pytest.mark.parametrize(("size", "visible"), [((60, 20), 2), ((80, 24), 3), ((200, 70), 4)])
async def test_all_images_can_be_seen(
    tmp_path: Path, process: FakeProcess, size: tuple[int, int], visible: int
) -> None:
    async with opened(tmp_path, size) as form:
        await form.press("ctrl+x")
        process.answer()
        await form.until(lambda: "class" in "".join(lines(form)))
        found = {line for line in lines(form) if "class" in line}
        assert len(found) == visible
        for _ in range(40):
            if len(found) == 4:
                break
            await form.press("down")
            found |= {line for line in lines(form) if "class" in line}
        assert len(found) == 4
