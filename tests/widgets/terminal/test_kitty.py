"""Pictures arrive in the terminal as they are, and cells show the right parts of them."""

import random
import unicodedata

import pytest
from rich.cells import cell_len
from rich.color import ColorSystem
from rich.segment import Segment
from rich.style import Style
from textual._compositor import LayoutUpdate
from textual.color import Color
from textual.geometry import Region, Size
from textual.renderables.background_screen import BackgroundScreen
from textual.strip import Strip

from tuitrain.hosts.explain.explained import SmallPicture
from tuitrain.widgets.terminal.cells import Cells
from tuitrain.widgets.terminal.images import Images
from tuitrain.widgets.terminal.kitty import MARKS, deletion, number_of, transmission
from widgets.terminal.graphics_terminal import Cell, GraphicsTerminal

AREA = Size(12, 5)
WHITE = Style.parse("bold #ffffff on #102030")


def picture(side: int = 60, channels: int = 3, seed: int = 1) -> SmallPicture:
    return SmallPicture(side, 2 * side, channels, random.Random(seed).randbytes(2 * side * side * channels))


def strip(image: SmallPicture, images: Images, line: int) -> Strip:
    segment = images.line(image, AREA, line)
    assert segment is not None
    return Strip([segment])


def drawn(image: SmallPicture, images: Images) -> int:
    """Draw a line of a picture and return its number."""
    return number_of(strip(image, images, 0).text[:4])


@pytest.mark.parametrize("in_tmux", [False, True])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_picture_arrives_pixel_by_pixel(monkeypatch: pytest.MonkeyPatch, in_tmux: bool, channels: int) -> None:
    monkeypatch.delenv("TMUX", raising=False)
    if in_tmux:
        monkeypatch.setenv("TMUX", "/tmp/socket,1,0")
    terminal, image = GraphicsTerminal(in_tmux=in_tmux), picture(channels=channels)
    terminal.write(transmission(3, image, AREA))
    ((number, kept),) = terminal.kept.items()
    assert number >> 24 == 3
    assert kept[:4] == (120, 60, *AREA)
    assert kept.pixels == (image.pixels if channels == 3 else bytes(b for p in image.pixels for b in (p, p, p)))
    assert max(terminal.chunks) == 4096
    terminal.write(deletion(3))
    assert not terminal.kept


def test_every_mark_takes_no_cell() -> None:
    assert len(set(MARKS)) == 256
    assert all(cell_len(f"\U0010eeee{mark}") == 1 and unicodedata.combining(mark) == 230 for mark in MARKS)


def test_cells_show_parts_of_their_picture_also_below_a_dialog() -> None:
    images, cells, terminal, size = Images(), Cells(), GraphicsTerminal(), Size(2 * AREA.width, AREA.height)
    pictures = [picture(), picture(seed=2)]
    for line in range(AREA.height):
        segments = [*Strip(s for image in pictures for s in strip(image, images, line)).apply_style(WHITE)]
        dimmed = BackgroundScreen.process_segments(segments, Color(18, 52, 86, 0.6))
        # The dialog covers three cells.
        row = Strip([*Strip(dimmed).crop(0, 5), Segment("abc"), *Strip(segments).crop(8)])
        cells.apply(LayoutUpdate([[row]], Region(0, line, size.width, 1)), size, ColorSystem.STANDARD)
    terminal.write(images.take_commands(cells.pictures()))
    terminal.write(cells.take_changes())
    assert {kept.pixels for kept in terminal.kept.values()} == {image.pixels for image in pictures}
    first, second = terminal.kept
    assert terminal.cells == [
        Cell(number, line, column)
        for line in range(AREA.height)
        for number in (first, second)
        for column in range(AREA.width)
        if number == second or column not in range(5, 8)
    ]


def test_only_pictures_on_the_screen_are_sent_and_each_once() -> None:
    images, terminal = Images(), GraphicsTerminal()
    for seed in range(3):
        strip(picture(seed=seed), images, 0)
    terminal.write(images.take_commands({1, 3}))
    assert {number >> 24 for number in terminal.kept} == {1, 3}
    assert images.take_commands({1, 3}) == ""
    # A terminal that may have lost them gets them again.
    images.forget()
    terminal.kept.clear()
    terminal.write(images.take_commands({3}))
    assert {number >> 24 for number in terminal.kept} == {3}
    terminal.write(images.delete_all())
    assert not terminal.kept


def test_pictures_out_of_sight_make_room_for_others() -> None:
    images, terminal = Images(), GraphicsTerminal()
    for seed in range(300):
        number = drawn(picture(4, seed=seed), images)
        terminal.write(images.take_commands({1, number}))
        assert len(terminal.kept) <= 255
    assert images.dropped
    # The first one was on the screen all the time.
    assert next(kept.pixels for number, kept in terminal.kept.items() if number >> 24 == 1) == picture(4, seed=0).pixels
    assert {number >> 24 for number in terminal.kept} == set(images._images)


def test_the_memory_of_the_terminal_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tuitrain.widgets.terminal.images.MAX_PIXELS", 40_000)
    images, terminal = Images(), GraphicsTerminal()
    for seed in range(20):
        terminal.write(images.take_commands({drawn(picture(seed=seed), images)}))
        assert sum(kept.width * kept.height for kept in terminal.kept.values()) <= 40_000


def test_more_pictures_than_numbers_fall_back_to_text() -> None:
    images = Images()
    lines = [images.line(picture(4, seed=seed), AREA, 0) for seed in range(260)]
    assert lines.count(None) == 5
    assert images.line(picture(), Size(300, 10), 0) is None


def test_a_character_like_a_placeholder_shows_nothing() -> None:
    cells, size = Cells(), Size(4, 1)
    cells.apply(LayoutUpdate([[Strip([Segment("a\U0010eeeeb ")])]], Region(0, 0, 4, 1)), size, ColorSystem.STANDARD)
    assert cells.pictures() == {0}
    assert Images().take_commands(cells.pictures()) == ""


def test_cells_of_text_beside_a_picture_keep_their_color() -> None:
    images, cells, terminal, size = Images(), Cells(), GraphicsTerminal(), Size(16, 1)
    style = Style.parse("red")
    row = Strip([Segment(f"a {strip(picture(), images, 0).text} b", style)])
    cells.apply(LayoutUpdate([[row]], Region(0, 0, 16, 1)), size, ColorSystem.STANDARD)
    terminal.write(cells.take_changes())
    assert {cell.id >> 24 for cell in terminal.cells} == {1}
    assert terminal.received.count("\x1b[31m") == 2
