"""Send several keys at once, as a slow connection delivers them."""

import unicodedata
from typing import Any

from textual.events import Key
from textual.keys import _character_to_key
from textual.pilot import Pilot

from tuitrain.widgets.terminal.keys import OrderedKeys
from tuitrain.widgets.terminal.textual_internals import settle


def key_events(*keys: str) -> list[Key]:
    """Return a key event for each name, such as `enter`, or character."""
    return [
        Key(_character_to_key(key) if len(key) == 1 else key, key if len(key) == 1 else _character(key)) for key in keys
    ]


def _character(name: str) -> str | None:
    try:
        return unicodedata.lookup(name.replace("_", " "))
    except KeyError:
        return " " if name == "space" else None


async def burst(pilot: Pilot[Any], *keys: str) -> None:
    """Send all keys at once, and wait until the app has handled them."""
    app = pilot.app
    assert isinstance(app, OrderedKeys)
    for event in key_events(*keys):
        app.post_message(event)
    await settle(app, 10)
    while app.is_running and app._waiting:
        await settle(app, 10)
        await pilot.pause(0.001)
    await settle(app, 10)
