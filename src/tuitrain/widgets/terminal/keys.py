"""Dispatch keys in order, each one after the change that the previous key requested.

Textual forwards a key as soon as it arrives, even if the focus or screen that an earlier key requested has not changed
yet. Over SSH several keys arrive in one packet, and the later ones would reach the wrong widget or screen.
"""

import asyncio
from collections import deque
from math import inf
from time import monotonic

from textual.events import Event, Key, Paste
from textual.screen import Screen
from textual.widgets import Input

from tuitrain.widgets.terminal.paste import PasteParser
from tuitrain.widgets.terminal.textual_internals import InternalsApp, replace_parser, settle

# Keys that may wait for a slow screen. If more wait, and the first longer than MAX_DELAY seconds, all are dropped.
MAX_WAITING, MAX_DELAY = 32, 1.0
# Seconds after which a key is dispatched although the app is still busy.
MAX_SETTLE = 5.0


def idle_seconds(app: object) -> float:
    """Return the seconds since the last key, infinite if there was none; 0 for an app that does not record keys."""
    return monotonic() - app.last_key_at if isinstance(app, OrderedKeys) else 0.0


class OrderedKeys(InternalsApp):
    """An app that dispatches a key only when all widgets have handled the previous one."""

    def __init__(self) -> None:
        super().__init__()
        replace_parser(PasteParser)
        self.last_key_at = -inf
        self._waiting: deque[Key | Paste] = deque()
        self._arrived = asyncio.Event()
        self._dispatching = False
        self._released: list[Key | Paste] = []
        self._target: Screen[object] | None = None

    async def on_event(self, event: Event) -> None:
        if isinstance(event, Key) and event.key == "ctrl+j":
            # An enter that was typed before the terminal entered raw mode.
            event = Key("enter", "\r")
        if isinstance(event, Key | Paste) and not event.is_forwarded and not self._take_released(event):
            self._waiting.append(event)
            self.last_key_at = monotonic()
            self._arrived.set()
            if not self._dispatching:
                self._dispatching = True
                self.run_task(self._dispatch_keys())
        elif isinstance(event, Key) and event.is_forwarded and self._target not in self.screen_stack[-1:]:
            pass  # The key was meant for a screen that has closed or is covered now.
        else:
            await super().on_event(event)

    async def _dispatch_keys(self) -> None:
        while True:
            self._arrived.clear()
            while self._waiting:
                await settle(self, MAX_SETTLE)
                if not self.screen_stack:
                    return  # The app has ended.
                self._drop_backlog()
                if self._waiting:
                    await self._dispatch(self._take())
            await self._arrived.wait()

    def _take_released(self, event: Key | Paste) -> bool:
        """Return whether the event comes from `_dispatch`, and forget it: each event is handled once."""
        released = [one for one in self._released if one is not event]
        found, self._released = len(released) < len(self._released), released
        return found

    def _take(self) -> list[Key | Paste]:
        """Take the next key, or all characters that are typed into an input: they change neither focus nor screen, and
        waiting for each of them would delay a long text."""
        events = [self._waiting.popleft()]
        if isinstance(self.focused, Input) and _is_character(events[0]):
            while self._waiting and _is_character(self._waiting[0]):
                events.append(self._waiting.popleft())
        return events

    async def _dispatch(self, events: list[Key | Paste]) -> None:
        self._target = self.screen
        self._released += events
        for event in events:
            self.post_message(event)
        await settle(self, MAX_SETTLE)
        last = events[-1]
        if self._target not in self.screen_stack and isinstance(last, Key):
            self._drop_repetitions(last.key)

    def _drop_repetitions(self, key: str) -> None:
        """Drop repetitions of a key that closed its screen: they were not meant for the screen below."""
        while self._waiting and isinstance(event := self._waiting[0], Key) and event.key == key:
            self._waiting.popleft()

    def _drop_backlog(self) -> None:
        """Drop keys that arrive faster than the app can handle them, such as a held key or a wrong paste."""
        typing = isinstance(self.focused, Input)
        # Characters for an input do not wait for each other; see `_take`.
        slow = sum(not (typing and _is_character(event)) for event in self._waiting)
        if slow > MAX_WAITING and monotonic() - self._waiting[0].time > MAX_DELAY:
            count = len(self._waiting)
            self._waiting.clear()
            self.notify(f"Dropped {count} keys that arrived faster than they could be handled", severity="warning")


def _is_character(event: Key | Paste) -> bool:
    """Return whether an event is a printable character other than a space, which marks options in lists."""
    return isinstance(event, Key) and event.is_printable and event.key != "space"
