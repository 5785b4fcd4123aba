"""Let Textual's pilot wait for the app instead of for an idle processor.

After each key, Textual's own pilot sleeps until the process has used little processor time for 20 ms, for at most a
second. On a loaded machine that holds although the app has work left, and beside a training thread never.
"""

import asyncio
from time import monotonic
from typing import Any

import pytest
from textual.app import App
from textual.pilot import Pilot

from tuitrain.widgets.terminal.textual_internals import settle

# Seconds; the assertion after a longer wait says what is missing.
LIMIT = 60.0


def install(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Pilot, "press", press)
    patch.setattr(Pilot, "_wait_for_screen", wait)
    for module in ("app", "pilot"):
        patch.setattr(f"textual.{module}.wait_for_idle", no_wait)


async def press(pilot: Pilot[Any], *keys: str) -> None:
    for key in keys:
        await pilot.app._press_keys([key])
        await wait(pilot)


async def wait(pilot: Pilot[Any], timeout: float = LIMIT) -> bool:
    await painted(pilot.app, timeout)
    if pilot.app._exception is not None:
        raise pilot.app._exception
    return True


async def no_wait(min_sleep: float = 0, max_sleep: float = 0) -> None:  # noqa: ARG001
    """Wait only until a key that was sent is in the queue of the app: a callback, then a task put it there."""
    for _ in range(3):
        await asyncio.sleep(0)


async def painted(app: App[Any], timeout: float) -> None:
    """Wait until the app has handled all keys and messages and has painted their effects, or has ended."""
    end = monotonic() + timeout
    while monotonic() < end and app._exception is None and app.screen_stack:
        await settle(app, 0.1)
        if not (app.is_running if app._exit else _has_more_to_do(app)):
            return
        await asyncio.sleep(0.001)


def _has_more_to_do(app: Any) -> bool:
    """Return whether keys or another size wait, something moves, or the screen has something to paint."""
    keys_wait = getattr(app, "_dispatching", False) and (app._waiting or not app._arrived._waiters)
    screen = app.screen_stack[-1]
    unpainted = (
        screen._layout_required
        or screen._scroll_required
        or screen._repaint_required
        or screen._recompose_required
        or screen._dirty_widgets
        or screen._callbacks
    )
    moves = app._resize_event is not None or not app._animator._complete_event.is_set()
    return bool(keys_wait or moves or (unpainted and not app._batch_count))
