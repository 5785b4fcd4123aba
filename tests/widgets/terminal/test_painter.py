"""Painting only changed cells gives the same terminal content as a full repaint."""

import asyncio
import random
from collections.abc import Callable
from pathlib import Path
from time import monotonic

import pyte
import pytest
from pyte.screens import Char
from rich.color import ColorSystem
from rich.segment import Segment
from rich.style import Style
from textual._compositor import LayoutUpdate
from textual.drivers.headless_driver import HeadlessDriver
from textual.geometry import Region, Size
from textual.pilot import Pilot
from textual.strip import Strip

from tuitrain.app.app import TuitrainApp
from tuitrain.hosts.thread import ThreadHost
from tuitrain.runs.folder import RunFolder
from tuitrain.widgets.terminal.cells import Cells

STYLES = ["", "red", "bold red", "on blue", "bold on #102030", "underline", "reverse green", "dim bold", "#ff0000"]
WORDS = ["a", "bc", " ", "   ", "─", "⣀⡠", "中", "e\u0301", "🙂"]


class Shown:
    """A terminal with its visible content, cell by cell."""

    def __init__(self, width: int, height: int) -> None:
        self.screen = pyte.Screen(width, height)
        self.screen.reset_mode(pyte.modes.DECAWM)
        self._stream = pyte.Stream(self.screen)

    def write(self, text: str) -> None:
        self._stream.feed(text.replace("\x1b[m", "\x1b[0m"))

    @property
    def cells(self) -> list[list[object]]:
        buffer = self.screen.buffer
        return [[_seen(buffer[y][x]) for x in range(self.screen.columns)] for y in range(self.screen.lines)]


def _seen(cell: Char) -> object:
    """Return the visible attributes of a cell: of a blank one only its background."""
    marked = cell.reverse or cell.underscore or cell.strikethrough
    return ("", cell.bg) if cell.data == " " and not marked else cell


def repainted(cells: Cells) -> list[list[object]]:
    shown = Shown(*cells.size)
    cells.invalidate()
    shown.write(cells.take_changes())
    return shown.cells


def test_differences_add_up_to_the_whole() -> None:
    chance = random.Random(1)
    size = Size(14, 4)
    cells, shown = Cells(), Shown(*size)
    for _ in range(150):
        y, x = chance.randrange(size.height), chance.randrange(0, size.width, 2)
        segments = [Segment(chance.choice(WORDS), Style.parse(chance.choice(STYLES))) for _ in range(6)]
        strip = Strip(segments).adjust_cell_length(size.width - x)
        line = [strip] if not x else [Strip([Segment(" " * x)]), strip]
        cells.apply(LayoutUpdate([line], Region(0, y, size.width, 1)), size, ColorSystem.TRUECOLOR)
        shown.write(cells.take_changes())
        assert not cells.take_changes()
        now = shown.cells
        assert now == repainted(cells)


def test_only_changed_cells_are_written() -> None:
    size, cells = Size(60, 1), Cells()

    def write(*segments: Segment) -> str:
        cells.apply(LayoutUpdate([[Strip(segments)]], Region(0, 0, 60, 1)), size, ColorSystem.TRUECOLOR)
        return cells.take_changes()

    dark, bold = Style.parse("#ffffff on #000000"), Style.parse("bold #ffffff on #000000")
    write(Segment("loss 0.1234" + " " * 49, dark))
    assert not write(Segment("loss 0.1234" + " " * 49, dark))
    assert write(Segment("loss 0.1274" + " " * 49, dark)) == "\x1b[1;10H\x1b[38;2;255;255;255;48;2;0;0;0m7\x1b[m"
    # The attribute alone changes.
    turned = write(Segment("loss ", bold), Segment("0.1274" + " " * 49, dark))
    assert turned == "\x1b[1;1H\x1b[1;38;2;255;255;255;48;2;0;0;0mloss\x1b[m"


class Terminal(HeadlessDriver):
    """A driver that passes output to a terminal."""

    shown: Shown

    @property
    def is_headless(self) -> bool:
        return False

    def write(self, data: str) -> None:
        if not hasattr(self, "shown"):
            self.shown = Shown(*self._get_terminal_size())
        self.shown.write(data)


@pytest.mark.parametrize(("size", "color"), [((120, 40), True), ((80, 24), False)])
async def test_incremental_painting_equals_full_painting(
    runs_dir: Path,
    write_run: Callable[..., RunFolder],
    monkeypatch: pytest.MonkeyPatch,
    size: tuple[int, int],
    color: bool,
) -> None:
    if not color:
        monkeypatch.setenv("NO_COLOR", "1")
    for number in range(3):
        write_run(f"run-中-{number}", f"training.seed={number}")
    write_run("going", status="running")
    app = TuitrainApp(runs_dir, ThreadHost())
    app.driver_class = Terminal

    async def session(pilot: Pilot[object]) -> None:
        def look() -> None:
            driver = app._driver
            assert isinstance(driver, Terminal)
            before = driver.shown.cells
            assert any(cell != before[0][0] for row in before for cell in row)
            app.action_redraw()
            assert before == driver.shown.cells

        await pilot.pause()
        for keys in (
            ("down", "space", "space"), ("slash", "1", "escape"), ("c",), ("m", "left", "escape"), ("A", "enter"),
            ("1",), ("3",), ("question_mark",), ("escape", "escape"), ("n", "tab", "tab"), ("escape",),
        ):  # fmt: skip
            await pilot.press(*keys)
            await pilot.pause()
            look()
        # Another size: nothing of what stood there holds.
        assert isinstance(app._driver, Terminal)
        app._driver.shown = Shown(100, 30)
        app._driver.shown.write("X" * 100)
        await pilot.resize_terminal(100, 30)
        await pilot.pause()
        look()
        assert "X" * 30 not in "".join(app._driver.shown.screen.display)
        app.exit()

    await app.run_async(size=size, auto_pilot=session)
    assert app.return_code == 0


async def test_a_line_on_which_answers_come_late_is_slow_unless_its_user_says_otherwise(runs_dir: Path) -> None:
    app = TuitrainApp(runs_dir, ThreadHost())
    async with app.run_test():
        for late, slow in ((0.01, False), (0.5, True), (0.2, True), (0.1, False)):
            app._probe_sent = monotonic() - late
            app.on_cursor_position()
            assert app.slow == slow
        app._measured_slow, app.slow_line = True, "off"
        assert not app.slow
        app._measured_slow, app.slow_line = False, "on"
        assert app.slow


async def test_output_held_back_by_a_slow_line_follows_the_answer(
    runs_dir: Path, write_run: Callable[..., RunFolder]
) -> None:
    write_run("one")
    app = TuitrainApp(runs_dir, ThreadHost())
    app.driver_class = Terminal

    async def session(pilot: Pilot[object]) -> None:
        await pilot.pause()
        driver = app._driver
        assert isinstance(driver, Terminal)
        app._probe_sent, app._latency, app._written_at_probe = monotonic(), 0.3, app.written - 5000
        await pilot.press("question_mark")
        await pilot.pause()
        assert not any("keys" in line for line in driver.shown.screen.display)
        app.on_cursor_position()
        assert any("keys" in line for line in driver.shown.screen.display)
        app.exit()

    await app.run_async(size=(80, 24), auto_pilot=session)
    assert app.return_code == 0


async def test_the_app_reads_the_first_answers_of_the_terminal_before_it_exits(
    runs_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tuitrain.widgets.terminal.painter._EXIT_WAIT", 0.3)
    events: list[str] = []

    class SlowTerminal(Terminal):
        def write(self, data: str) -> None:
            super().write(data)
            if "\x1b[6n" in data:
                asyncio.get_running_loop().call_later(0.1, events.append, "answer")
                app.exit()

        def stop_application_mode(self) -> None:
            events.append("closed")
            super().stop_application_mode()

    app = TuitrainApp(runs_dir, ThreadHost())
    app.driver_class = SlowTerminal
    await app.run_async(size=(80, 24))
    assert events == ["answer", "closed"]
