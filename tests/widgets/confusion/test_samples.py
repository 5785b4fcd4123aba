import math
import os
from collections.abc import Sequence
from pathlib import Path

import pytest
from textual.app import App, ComposeResult

from tuitrain.runs.records import Sample
from tuitrain.widgets.confusion.samples import Samples
from tuitrain.widgets.terminal.thumbnails import thumbnail

DIGITS = [str(digit) for digit in range(10)]


def grey(height: int, width: int, pixels: bytes, index: int = 0) -> Sample:
    return Sample(index, 4, 9, 0.974, height, width, 1, pixels, 4.6052)


class SamplesApp(App[None]):
    def __init__(self, samples: Sequence[Sample], names: Sequence[str] = DIGITS) -> None:
        super().__init__()
        self.animation_level = "none"
        self.shown = samples, names

    def compose(self) -> ComposeResult:
        yield Samples()

    def on_mount(self) -> None:
        self.samples.show(*self.shown)
        self.samples.focus()

    @property
    def samples(self) -> Samples:
        return self.query_one(Samples)

    def lines(self) -> list[str]:
        return [self.samples.render_line(y).text.rstrip() for y in range(self.samples.size.height)]


def test_a_box_of_pixels_becomes_its_mean() -> None:
    sample = grey(4, 4, bytes([0, 100, 10, 10, 100, 200, 10, 10, 1, 1, 255, 255, 1, 1, 255, 255]))
    assert thumbnail(sample, 2) == [[(100, 100, 100), (10, 10, 10)], [(1, 1, 1), (255, 255, 255)]]
    assert thumbnail(sample, 4) == [[(v, v, v) for v in sample.pixels[row : row + 4]] for row in (0, 4, 8, 12)]


def test_colours_keep_their_channels_and_the_last_box_may_be_smaller() -> None:
    red, blue = bytes([250, 0, 0]), bytes([0, 0, 250])
    sample = Sample(0, 0, 1, 0.5, 1, 3, 3, red + red + blue)
    assert thumbnail(sample, 2) == [[(250, 0, 0), (0, 0, 250)]]


def test_a_large_picture_keeps_its_sides_in_proportion() -> None:
    picture = thumbnail(grey(300, 150, bytes([7]) * 45_000), 16)
    assert picture is not None
    assert (len(picture), len(picture[0])) == (16, 8)
    assert {pixel for row in picture for pixel in row} == {(7, 7, 7)}


async def test_two_rows_of_pixels_are_one_line_of_half_blocks() -> None:
    app = SamplesApp([grey(3, 2, bytes([0, 255, 128, 64, 9, 9]), index=2118)])
    async with app.run_test(size=(60, 20)):
        first, second = app.samples.render_line(0), app.samples.render_line(1)
        assert app.lines()[:4] == ["▀▀", "▀▀", "#2118  loss 4.6052", "true 4  1.00 %"]
        assert app.lines()[4:6] == ["predicted 9  97.40 %", ""]
        colors = [
            (s.style.color.name, s.style.bgcolor.name)
            for s in list(first)[:2]
            if s.style and s.style.color and s.style.bgcolor
        ]
        assert colors == [("#000000", "#808080"), ("#ffffff", "#404040")]
        below = next(iter(second)).style
        assert below
        assert below.color
        assert below.color.name == "#090909"


async def test_without_colour_brightness_is_a_character(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    app = SamplesApp([grey(2, 3, bytes([0, 128, 255] * 2))])
    async with app.run_test(size=(60, 20)):
        assert app.lines()[0] == " =@"


async def test_the_end_of_a_path_is_shown() -> None:
    sample = Sample(3, 0, 1, 0.5, 2, 2, 1, bytes(4), 1.0, "test/a-very-long-class-name/0051.jpg")
    app = SamplesApp([sample])
    async with app.run_test(size=(60, 20)):
        assert app.lines()[1].startswith("…")
        assert app.lines()[1].endswith("/0051.jpg")


async def test_keys_scroll_to_the_last_sample_and_back_and_change_the_size() -> None:
    app = SamplesApp([grey(28, 28, bytes(784), index) for index in range(30)])
    async with app.run_test(size=(60, 20)) as pilot:
        assert "#0 " in app.lines()[7]
        assert not any("#29" in line for line in app.lines())
        await pilot.press("G")
        await pilot.pause()
        assert any("#29" in line for line in app.lines())
        await pilot.press("g")
        await pilot.pause()
        assert "#0 " in app.lines()[7]
        await pilot.press("j", "j", "l")
        await pilot.pause()
        selected = app.query_one(Samples).selected
        assert selected is not None
        assert any(f"#{selected.index} " in line for line in app.lines())
        assert selected.index == 2 * app.query_one(Samples)._columns + 1
        await pilot.press("g", "z")
        await pilot.pause()
        assert "#0 " in app.lines()[14]


async def test_long_names_leave_room_for_the_probability() -> None:
    names = ["a" * 40, "b" * 40]
    app = SamplesApp([Sample(3, 0, 1, 0.5, 2, 2, 1, bytes(4), 1.0), Sample(4, 0, 1, 0.5, 2, 2, 1, bytes(4))], names)
    async with app.run_test(size=(60, 20)):
        assert app.lines()[1:4] == [
            f"{'#3  loss 1.0000':<30}#4",
            f"true {'a' * 13}…  36.79 %  true {'a' * 22}…",
            f"predicted {'b' * 8}…  50.00 %  predicted {'b' * 8}…  50.00 %",
        ]


ODD = [
    grey(4, 4, b"too short"),
    grey(4, 4, bytes(17)),
    grey(0, 0, b""),
    grey(-3, 5, b""),
    grey(10**9, 10**9, b"x"),
    grey(1, 5000, bytes(5000)),
    Sample(0, 0, 1, 0.5, 2, 2, 4, bytes(16)),
    Sample(-1, -7, 99, math.nan, 2, 2, 1, bytes(4)),
    Sample(0, 0, 1, 1e308, 2, 2, 1, bytes(4), -1e308),
]


@pytest.mark.parametrize("size", [(120, 40), (20, 6), (1, 1)])
async def test_nothing_shown_breaks_it(size: tuple[int, int]) -> None:
    app = SamplesApp([], ["\x1b[31m[bold]日本", "👨‍👩‍👧" * 40])
    async with app.run_test(size=size) as pilot:
        assert app.lines()[0] == "no samples"[: size[0]]
        for sample in ODD:
            app.samples.show([grey(2, 2, bytes(4)), sample, sample], app.shown[1])
            for key in ("z", "G"):
                await pilot.press(key)
                assert not any(ord(character) < 32 for line in app.lines() for character in line)


async def test_an_invalid_thumbnail_is_a_question_mark() -> None:
    app = SamplesApp([grey(4, 4, b"short", index=3)])
    async with app.run_test(size=(60, 20)):
        assert app.lines()[0] == "?"
        assert any("#3 " in line for line in app.lines())


def test_a_small_digit_is_recognizable() -> None:
    folder = Path(os.environ.get("TUITRAIN_TEST_DATA", "../shared/data")) / "MNIST" / "raw"
    if not folder.is_dir():
        pytest.skip("no MNIST")
    pixels = (folder / "t10k-images-idx3-ubyte").read_bytes()[16:]
    picture = thumbnail(grey(28, 28, pixels[2 * 784 : 3 * 784]), 16)  # the third is an upright 1
    assert picture is not None
    assert len(picture) == len(picture[0]) == 14
    inked = [[x for x, pixel in enumerate(row) if pixel[0] > 100] for row in picture]
    assert sum(map(bool, inked)) >= 9
    assert max(len(row) for row in inked) <= 3
