"""Sixels show the right parts of pictures, wherever dialogs and lists cover and uncover them."""

import random
from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray
from rich.color import ColorSystem
from rich.segment import Segment
from textual._compositor import LayoutUpdate
from textual.geometry import Region, Size
from textual.strip import Strip

from tuitrain.hosts.explain.explained import SmallPicture
from tuitrain.widgets.terminal.cells import Cells, PictureCell
from tuitrain.widgets.terminal.images import SixelImages
from widgets.terminal.sixel_terminal import SixelTerminal

CELL, SCREEN = Size(10, 20), Size(24, 8)
# 80 x 80 pixels of the terminal.
AREA = Size(8, 4)


def picture(width: int = 16, height: int = 16, channels: int = 3, seed: int = 1) -> SmallPicture:
    """Return a picture of at most 32 colors."""
    choose = random.Random(seed)
    colors = [choose.randbytes(channels) for _ in range(32)]
    return SmallPicture(height, width, channels, b"".join(choose.choice(colors) for _ in range(width * height)))


def enlarged(image: SmallPicture, factor: int) -> NDArray[np.uint8]:
    pixels = np.frombuffer(image.pixels, np.uint8).reshape(image.height, image.width, image.channels)
    return np.broadcast_to(pixels, (image.height, image.width, 3)).repeat(factor, 0).repeat(factor, 1)


@pytest.fixture(autouse=True)
def cells_of_a_known_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tuitrain.widgets.terminal.images.cell_size", lambda: CELL)


class Shown:
    """A screen and the terminal that shows it."""

    def __init__(self) -> None:
        self.images, self.cells, self.terminal = SixelImages(), Cells(), SixelTerminal(*SCREEN)

    def paint(self, line: int, *segments: Segment | None) -> None:
        strip = Strip([segment for segment in segments if segment is not None])
        region = Region(0, line, SCREEN.width, 1)
        self.cells.apply(
            LayoutUpdate([[strip.adjust_cell_length(SCREEN.width)]], region), SCREEN, ColorSystem.TRUECOLOR
        )

    def paint_pictures(self, pictures: Sequence[SmallPicture], first: int = 0) -> None:
        """Paint pictures beside each other, with a blank column before each, and without their lines above `first`."""
        for line in range(SCREEN.height):
            row = line + first
            segments = [self.images.line(image, AREA, row) if row < AREA.height else None for image in pictures]
            self.paint(line, *(part for segment in segments for part in (Segment(" "), segment)))

    def send(self) -> None:
        drawn: list[PictureCell] = []
        text = self.cells.take_changes(drawn)
        self.terminal.write(text + self.images.draw(drawn))
        assert self.images.take_commands(self.cells.pictures()) == ""

    def pixels(self, column: int, line: int, size: Size = AREA) -> NDArray[np.uint8]:
        top, left = line * CELL.height, column * CELL.width
        return self.terminal.pixels[top : top + size.height * CELL.height, left : left + size.width * CELL.width]


def assert_equal(shown: NDArray[np.uint8], expected: NDArray[np.uint8]) -> None:
    """Sixels give colors in percent."""
    assert shown.shape == expected.shape
    assert np.abs(shown.astype(int) - expected).max() <= 2


@pytest.mark.parametrize("channels", [1, 3])
def test_pictures_are_drawn_in_their_cells(channels: int) -> None:
    shown, first, second = Shown(), picture(channels=channels), picture(channels=channels, seed=2)
    shown.paint_pictures([first, second])
    shown.send()
    assert_equal(shown.pixels(1, 0), enlarged(first, 5))
    assert_equal(shown.pixels(10, 0), enlarged(second, 5))
    assert shown.terminal.pictures == 2
    assert not shown.pixels(0, 0, Size(1, 4)).any()
    # What has not changed is not sent again.
    shown.send()
    assert shown.terminal.pictures == 2


def test_text_erases_parts_of_a_picture_and_only_they_are_drawn_again() -> None:
    shown, image = Shown(), picture()
    shown.paint_pictures([image])
    shown.send()
    for line in (1, 2):
        segment = shown.images.line(image, AREA, line)
        assert segment is not None
        strip = Strip([segment])
        shown.paint(line, Segment(" "), *strip.crop(0, 2), Segment("abc"), *strip.crop(5))
    shown.send()
    expected = enlarged(image, 5)
    expected[20:60, 20:50] = 0
    assert_equal(shown.pixels(1, 0), expected)
    assert shown.terminal.pictures == 1
    shown.paint_pictures([image])
    shown.send()
    assert_equal(shown.pixels(1, 0), enlarged(image, 5))
    assert shown.terminal.pictures == 2


def test_a_scrolled_picture_shows_its_other_lines() -> None:
    shown, images = Shown(), [picture(), picture(seed=2)]
    shown.paint_pictures(images)
    shown.send()
    shown.paint_pictures(images, first=1)
    shown.send()
    for column, image in ((1, images[0]), (10, images[1])):
        assert_equal(shown.pixels(column, 0, Size(8, 3)), enlarged(image, 5)[20:])
        assert not shown.pixels(column, 3, Size(8, 1)).any()


def test_a_picture_keeps_its_proportions() -> None:
    shown, image = Shown(), picture(16, 8)
    shown.paint_pictures([image])
    shown.send()
    assert_equal(shown.pixels(1, 1, Size(8, 2)), enlarged(image, 5))
    assert not shown.pixels(1, 0, Size(8, 1)).any()
    assert not shown.pixels(1, 3, Size(8, 1)).any()


def test_a_large_picture_is_reduced() -> None:
    shown = Shown()
    shown.paint_pictures([SmallPicture(800, 800, 1, (bytes([200]) * 400 + bytes([40]) * 400) * 800)])
    shown.send()
    assert_equal(shown.pixels(1, 0, Size(4, 4)), np.full((80, 40, 3), 200, np.uint8))
    assert_equal(shown.pixels(5, 0, Size(4, 4)), np.full((80, 40, 3), 40, np.uint8))
