"""Terminals with kitty's graphics get pictures, and all others get text."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import pytest
from textual.app import ComposeResult
from textual.drivers.headless_driver import HeadlessDriver
from textual.pilot import Pilot
from textual.screen import Screen

from tuitrain.app.app import TuitrainApp
from tuitrain.config import preferences
from tuitrain.hosts.thread import ThreadHost
from tuitrain.machine.graphics import TmuxClient
from tuitrain.runs.records import Sample
from tuitrain.widgets.confusion.samples import Samples
from tuitrain.widgets.terminal.kitty import PLACEHOLDER
from tuitrain.widgets.terminal.paste import TerminalAttributes, TerminalVersion
from widgets.terminal.graphics_terminal import GraphicsTerminal

SAMPLES = [Sample(index, 4, 9, 0.9, 28, 28, 1, bytes([index] * 784), 1.0) for index in range(40)]
QUERY, ATTRIBUTES_QUERY, PROBE = "\x1b[>q", "\x1b[c", "\x1b[6n"
# How tuitrain's sixel pictures begin.
SIXEL = "\x1bP0;1q"
Session = Callable[[TuitrainApp, Pilot[object], GraphicsTerminal], Awaitable[None]]


class SamplesScreen(Screen[None]):
    def __init__(self, samples: Sequence[Sample] = SAMPLES) -> None:
        super().__init__()
        self._samples = samples

    def compose(self) -> ComposeResult:
        yield Samples()

    def on_mount(self) -> None:
        self.query_one(Samples).show(self._samples, [str(digit) for digit in range(10)])
        self.query_one(Samples).focus()


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-kitty")
    monkeypatch.delenv("TMUX", raising=False)
    monkeypatch.delenv("NO_COLOR", raising=False)


async def run(runs_dir: Path, session: Session, *, in_tmux: bool = False) -> GraphicsTerminal:
    """Show samples in the app while `session` runs; return the terminal."""
    terminal = GraphicsTerminal(in_tmux=in_tmux)

    class Driver(HeadlessDriver):
        @property
        def is_headless(self) -> bool:
            return False

        def write(self, data: str) -> None:
            terminal.write(data)
            if PROBE in data:
                self._app.call_later(app.on_cursor_position)

    app = TuitrainApp(runs_dir, ThreadHost())
    app.driver_class = Driver

    async def pilot_session(pilot: Pilot[object]) -> None:
        await app.push_screen(SamplesScreen())
        await pilot.pause()
        await session(app, pilot, terminal)
        app.exit()

    await app.run_async(size=(80, 24), auto_pilot=pilot_session)
    return terminal


def answer(version: str) -> Session:
    async def session(app: TuitrainApp, pilot: Pilot[object], _: GraphicsTerminal) -> None:
        app.post_message(TerminalVersion(version))
        await pilot.pause()

    return session


async def test_a_terminal_that_draws_pictures_gets_them_until_the_app_exits(runs_dir: Path) -> None:
    async def session(app: TuitrainApp, pilot: Pilot[object], terminal: GraphicsTerminal) -> None:
        assert QUERY in terminal.received
        assert PLACEHOLDER not in terminal.received
        await answer("kitty(0.41.1)")(app, pilot, terminal)
        first = {kept.pixels[0] for kept in terminal.kept.values()}
        assert {0, 1, 2} <= first
        assert {cell.id for cell in terminal.cells} == set(terminal.kept)
        # Pictures that scroll into view are sent, and others are not sent again.
        assert 39 not in first
        before = len(terminal.received)
        await pilot.press("G")
        await pilot.pause()
        assert 39 in {kept.pixels[0] for kept in terminal.kept.values()}
        await pilot.press("g")
        await pilot.pause()
        sent = terminal.received[before:].count("a=T")
        assert sent == len(terminal.kept) - len(first)

    terminal = await run(runs_dir, session)
    assert not terminal.kept
    assert "a=T" in terminal.received


async def test_other_terminals_get_text(runs_dir: Path) -> None:
    terminal = await run(runs_dir, answer("kitty(0.27.1)"))
    assert "▀" in terminal.received
    assert "\x1b_G" not in terminal.received
    assert PLACEHOLDER not in terminal.received


@pytest.mark.parametrize(("variable", "value"), [("TERM", "xterm-256color"), ("NO_COLOR", "1")])
async def test_the_environment_may_exclude_pictures(
    runs_dir: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    monkeypatch.setenv("COLORTERM", "truecolor")
    terminal = await run(runs_dir, answer("" if variable == "TERM" else "kitty(0.41.1)"))
    assert (QUERY in terminal.received) == (variable != "TERM")
    assert "\x1b_G" not in terminal.received


async def test_the_user_may_choose(runs_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")

    async def session(app: TuitrainApp, pilot: Pilot[object], terminal: GraphicsTerminal) -> None:
        app.set_pictures("kitty")
        await pilot.pause()
        assert terminal.kept
        app.set_pictures("blocks")
        await pilot.pause()
        assert not terminal.kept
        assert app.images is None

    await run(runs_dir, session)
    assert preferences.load().pictures == "blocks"


@pytest.mark.parametrize(("attributes", "drawn"), [("64;1;2;4;22", True), ("62;22;44", False)])
async def test_a_terminal_with_sixels_gets_them(
    runs_dir: Path, monkeypatch: pytest.MonkeyPatch, attributes: str, drawn: bool
) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")

    async def session(app: TuitrainApp, pilot: Pilot[object], terminal: GraphicsTerminal) -> None:
        assert ATTRIBUTES_QUERY in terminal.received
        app.post_message(TerminalAttributes(attributes))
        await pilot.pause()
        assert (SIXEL in terminal.received) == drawn
        # The same cells show pictures in another way.
        app.set_pictures("kitty")
        await pilot.pause()
        assert terminal.kept
        before = len(terminal.received)
        app.set_pictures("sixel")
        await pilot.pause()
        assert not terminal.kept
        assert SIXEL in terminal.received[before:]
        assert PLACEHOLDER not in terminal.received[before:]

    await run(runs_dir, session)


async def test_the_same_choice_draws_nothing_again(runs_dir: Path) -> None:
    async def session(app: TuitrainApp, pilot: Pilot[object], _: GraphicsTerminal) -> None:
        await app.pop_screen()
        app.set_pictures("sixel")
        images = app.images
        assert images is not None
        app.set_pictures("sixel")
        assert app.images is images
        await pilot.pause()

    await run(runs_dir, session)


async def test_an_exported_screen_shows_pictures_as_text(runs_dir: Path) -> None:
    async def session(app: TuitrainApp, pilot: Pilot[object], terminal: GraphicsTerminal) -> None:
        await answer("kitty(0.41.1)")(app, pilot, terminal)
        before = dict(terminal.kept)
        exported = app.export_screenshot()
        assert "▀" in exported
        assert PLACEHOLDER not in exported
        app.action_redraw()
        await pilot.pause()
        assert terminal.kept == before
        assert {cell.id for cell in terminal.cells[-100:]} <= set(before)

    await run(runs_dir, session)


async def test_pictures_are_deleted_after_a_crash(runs_dir: Path) -> None:
    async def session(app: TuitrainApp, pilot: Pilot[object], terminal: GraphicsTerminal) -> None:
        await answer("kitty(0.41.1)")(app, pilot, terminal)
        assert terminal.kept
        app.call_later(lambda: 1 // 0)
        async with asyncio.timeout(60):
            while app.crash is None:
                await asyncio.sleep(0)

    terminal = await run(runs_dir, session)
    assert "a=T" in terminal.received
    assert not terminal.kept


async def test_pictures_follow_the_terminal_outside_of_tmux(runs_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kitty = TmuxClient("kitty(0.41.1)", True, "/dev/pts/1", True)
    client = kitty
    monkeypatch.setenv("TMUX", "/tmp/socket,1,0")
    monkeypatch.setattr("tuitrain.app.graphics.tmux_client", lambda: client)
    monkeypatch.setattr("tuitrain.app.graphics.TMUX_INTERVAL", 0.01)

    async def session(app: TuitrainApp, pilot: Pilot[object], terminal: GraphicsTerminal) -> None:
        nonlocal client

        async def until(condition: Callable[[], bool]) -> None:
            async with asyncio.timeout(60):
                while not condition():
                    await pilot.pause()
                    await asyncio.sleep(0.01)

        await until(lambda: bool(terminal.kept))
        # Another window of tmux was visible, and tmux has dropped what was sent meanwhile.
        client = kitty._replace(visible=False)
        await until(lambda: app._client == client)
        terminal.kept.clear()
        client = kitty
        await until(lambda: bool(terminal.kept))
        before = len(terminal.received)
        client = TmuxClient("XTerm(370)", True, "/dev/pts/2", True)
        await until(lambda: "▀" in terminal.received[before:])
        assert "\x1b_G" not in terminal.received[before:]

    terminal = await run(runs_dir, session, in_tmux=True)
    assert QUERY not in terminal.received
    assert ATTRIBUTES_QUERY not in terminal.received


async def test_widgets_are_drawn_again_when_their_pictures_made_room_for_others(
    runs_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tuitrain.widgets.terminal.images.MAX_PIXELS", 28 * 28 * 5)

    async def session(app: TuitrainApp, pilot: Pilot[object], terminal: GraphicsTerminal) -> None:
        await answer("kitty(0.41.1)")(app, pilot, terminal)
        before = {kept.pixels[0] for kept in terminal.kept.values()}
        others = [Sample(number, 4, 9, 0.9, 28, 28, 1, bytes([number] * 784)) for number in range(100, 120)]
        await app.push_screen(SamplesScreen(others))
        await pilot.pause()
        assert before.isdisjoint(kept.pixels[0] for kept in terminal.kept.values())
        await app.pop_screen()
        await pilot.pause()
        assert before <= {kept.pixels[0] for kept in terminal.kept.values()}

    await run(runs_dir, session)
