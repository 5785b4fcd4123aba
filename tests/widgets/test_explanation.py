"""The panel that explains a prediction."""

import pytest
from textual.app import App, ComposeResult

from tuitrain.hosts.explain.explained import Explained, Neighbour, SmallPicture, Source
from tuitrain.hosts.explain.process import Answer, Request
from tuitrain.widgets.explanation import ExplanationPanel, wrapped

REQUEST = Request("run", "last", Source(index=3))


def picture(value: int, side: int = 64, channels: int = 3) -> SmallPicture:
    return SmallPicture(side, side, channels, bytes([value] * side * side * channels))


def explained(method: str = "Grad-CAM", heat: int = 255) -> Explained:
    return Explained("a.png", method, 0, 1, 1, 0.75, picture(200), picture(80), picture(heat, channels=1))


NEAR = tuple(Neighbour(n, f"train/{n}.png", n % 2, 1 - n / 100, picture(20, 16, 1)) for n in range(8))
ANSWER = Answer(REQUEST, explained=explained(), neighbours=NEAR, classes=("ant", "bee\x1b[2J"))


class PanelApp(App[None]):
    def compose(self) -> ComposeResult:
        yield ExplanationPanel()


async def shown(answer: Answer | None, size: tuple[int, int], *, heated: bool = True) -> list[str]:
    app = PanelApp()
    async with app.run_test(size=size) as pilot:
        panel = app.query_one(ExplanationPanel)
        panel.show(answer, heated=heated)
        await pilot.pause()
        lines = [panel.render_line(y).text for y in range(size[1])]
        assert {len(line) for line in lines} == {size[0]}
        return [line.rstrip() for line in lines]


@pytest.mark.parametrize(("size", "side", "thumbnails"), [((120, 36), 64, 6), ((80, 19), 32, 2), ((60, 16), 22, 2)])
async def test_the_panel_uses_its_room(
    monkeypatch: pytest.MonkeyPatch, size: tuple[int, int], side: int, thumbnails: int
) -> None:
    monkeypatch.setattr("tuitrain.widgets.terminal.pictures.draws_shades", lambda _: False)
    lines = await shown(ANSWER, size)
    text = "\n".join(lines)
    assert lines[0].split("a.png")[0].count("▀") == side
    assert "predicted bee" in text
    assert "75.00 %" in text
    assert "what speaks for bee" in text
    assert "\x1b" not in text
    # Training images of another class than the predicted one are marked.
    assert "≠ ant 1.00" in text
    assert "≠ bee" not in text
    assert "Nearest training images" in text
    assert text.count("train/") >= thumbnails


async def test_without_the_heat_map_the_image_is_shown_as_the_network_sees_it() -> None:
    assert "as the network sees it" in "\n".join(await shown(ANSWER, (80, 19), heated=False))


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (None, ""),
        (Answer(REQUEST, doing="computing features", fraction=0.5), "computing features … 50 %"),
        (Answer(REQUEST, problem="The folder is gone. " * 8), "The folder is gone."),
        (Answer(REQUEST, explained=explained(heat=0), classes=("ant", "bee")), "no part raises the score of bee"),
        (Answer(REQUEST, explained=explained("attention rollout"), classes=()), "where the network looks"),
        (Answer(REQUEST, explained=explained(), problem="No features."), "No features."),
    ],
)
@pytest.mark.parametrize("size", [(80, 20), (20, 4), (1, 1)])
async def test_every_answer_fits_in_any_room(answer: Answer | None, words: str, size: tuple[int, int]) -> None:
    text = " ".join(await shown(answer, size))
    assert words in text or size != (80, 20)


async def test_without_colors_the_heat_replaces_the_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tuitrain.widgets.explanation.draws_shades", lambda _: True)
    hot, plain = await shown(ANSWER, (80, 19)), await shown(ANSWER, (80, 19), heated=False)
    assert hot[0].startswith("@" * 32)
    assert plain[0].startswith("%" * 32) or plain[0][0] not in " @"


def test_long_texts_break_between_words() -> None:
    assert list(wrapped("one two three", 7)) == ["one two", "three"]
    assert list(wrapped("", 7)) == []
