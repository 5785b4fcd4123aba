"""tuitrain relies on these private names of Textual and Rich. A failure here names the one that changed."""

import asyncio
import inspect
from unittest.mock import patch

import pytest
from rich.color import ColorSystem
from rich.console import Console
from rich.style import Style
from textual import _ansi_sequences, _compositor
from textual.app import App
from textual.events import Key, Resize
from textual.screen import Screen
from textual.strip import Strip

from tuitrain.widgets.terminal.textual_internals import InternalsApp, settle, style_codes


@pytest.mark.parametrize(
    "name",
    [
        "_display",
        "_on_exit_app",
        "_fatal_error",
        "_close_messages_no_wait",
        "_handle_exception",
        "_process_messages_loop",
    ],
)
def test_app_methods_exist(name: str) -> None:
    assert inspect.isfunction(getattr(App, name))


def test_display_takes_a_screen_and_an_update() -> None:
    assert list(inspect.signature(App._display).parameters) == ["self", "screen", "renderable"]


async def test_app_attributes_have_the_expected_types() -> None:
    app = App[None]()
    async with app.run_test():
        assert isinstance(app._batch_count, int)
        assert isinstance(app._sync_available, bool)
        assert app._running
        assert not app._closed
        assert app._exception is None
        assert not app._exit
        assert app._driver is not None
        assert app._driver.is_headless


def test_update_classes_carry_strips() -> None:
    assert {"strips", "region"} <= set(inspect.signature(_compositor.LayoutUpdate).parameters)
    assert {"chops", "spans", "chop_ends"} <= set(inspect.signature(_compositor.ChopsUpdate).parameters)
    assert issubclass(_compositor.LayoutUpdate, _compositor.CompositorUpdate)
    assert _ansi_sequences.SYNC_START == "\x1b[?2026h"
    assert _ansi_sequences.SYNC_END == "\x1b[?2026l"


def test_rich_names() -> None:
    assert Console(color_system="truecolor")._color_system is ColorSystem.TRUECOLOR
    style = Style(bold=True)
    assert style_codes(None, ColorSystem.TRUECOLOR) == ""
    assert style_codes(style, ColorSystem.TRUECOLOR) == Strip.render_ansi(style, ColorSystem.TRUECOLOR) == "1"
    assert style._ansi in (None, "1")


async def test_settle_waits_for_handlers_and_mounted_screens() -> None:
    class Slow(InternalsApp):
        done = False

        async def on_key(self) -> None:
            await asyncio.sleep(0.1)
            self.done = True
            self.push_screen(Screen[None]())

    app = Slow()
    async with app.run_test():
        app.post_message(Key("a", "a"))
        await settle(app, 5)
        assert app.done
        assert len(app.screen_stack) == 2
        assert app.screen.is_mounted


async def test_a_screen_is_not_laid_out_for_the_size_that_it_has() -> None:
    async with App[None]().run_test(size=(80, 24)) as pilot:
        with patch.object(_compositor.Compositor, "reflow") as layout:
            pilot.app.screen.post_message(Resize(pilot.app.screen.size, pilot.app.screen.size))
            await pilot.pause()
        layout.assert_not_called()
        await pilot.resize_terminal(60, 20)
        assert pilot.app.screen.size == (60, 20)


async def test_settle_gives_up_after_the_timeout() -> None:
    released = asyncio.Event()

    class Stuck(InternalsApp):
        async def on_key(self) -> None:
            await released.wait()

    app = Stuck()
    async with app.run_test():
        app.post_message(Key("a", "a"))
        await settle(app, 0.05)
        released.set()
        await settle(app, 5)


async def test_an_exception_of_a_task_ends_the_app() -> None:
    async def fail() -> None:
        raise ValueError("planted")

    async def run() -> None:
        app = InternalsApp()
        async with app.run_test() as pilot:
            app.run_task(fail())
            await pilot.pause()

    with pytest.raises(ValueError, match="planted"):
        await run()
