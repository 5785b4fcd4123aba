"""Keys are dispatched one at a time, and a backlog is dropped."""

import asyncio
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.screen import ModalScreen
from textual.widgets import Input

from bursts import burst, key_events
from tuitrain.widgets.terminal.keys import MAX_WAITING, OrderedKeys


class Window(ModalScreen[None]):
    BINDINGS: ClassVar[list[BindingType]] = [("escape", "dismiss", "close"), ("f2", "app.slow", "slow")]

    def compose(self) -> ComposeResult:
        yield Input()


class Windows(OrderedKeys):
    BINDINGS: ClassVar[list[BindingType]] = [("w", "window", "window"), ("s", "slow", "slow"), ("escape", "leave", "")]
    left = 0

    def action_window(self) -> None:
        self.push_screen(Window())

    async def action_slow(self) -> None:
        await asyncio.sleep(1.1)

    def action_leave(self) -> None:
        self.left += 1


async def test_keys_typed_ahead_go_into_the_window_that_opens() -> None:
    app = Windows()
    async with app.run_test() as pilot:
        await burst(pilot, "w", *"wide", "backspace", "s")
        assert app.screen.query_one(Input).value == "wids"


async def test_a_repeated_key_is_dropped_if_it_closed_its_window() -> None:
    app = Windows()
    async with app.run_test() as pilot:
        await burst(pilot, "w", "escape", "escape", "escape")
        assert (len(app.screen_stack), app.left) == (1, 0)
        await burst(pilot, "escape")
        assert app.left == 1


async def test_more_keys_than_can_be_handled_are_dropped_and_counted() -> None:
    app = Windows()
    async with app.run_test() as pilot:
        await burst(pilot, "s", *"w" * (MAX_WAITING + 5))
        assert len(app.screen_stack) == 1
        assert any("Dropped 37 keys" in note.message for note in app._notifications)
        await burst(pilot, "s", *"w" * 3)
        assert app.screen.query_one(Input).value == "ww"


async def test_a_long_text_is_complete_however_slow_the_key_before_it() -> None:
    app = Windows()
    async with app.run_test() as pilot:
        text = "abcdefghij" * MAX_WAITING
        await burst(pilot, "w")
        await burst(pilot, "f2", *text, "backspace")
        assert app.screen.query_one(Input).value == text[:-1]
        assert not app._notifications


async def test_a_key_event_is_handled_once() -> None:
    app = Windows()
    async with app.run_test() as pilot:
        (event,) = key_events("escape")
        app.post_message(event)
        await burst(pilot, "escape")
        assert app.left == 2
