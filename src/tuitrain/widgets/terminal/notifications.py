"""What a terminal shows outside its screen: its title, a bell, a notification."""

import os
from weakref import WeakKeyDictionary

from textual.app import App

from tuitrain.text import plain

_titles: WeakKeyDictionary[App[None], str] = WeakKeyDictionary()


def title(app: App[None], text: str) -> None:
    """Set the window's title, which is also that of a pane of tmux; an empty one leaves it to the terminal."""
    sequence = f"\x1b]2;{plain(text, 100)}\x07"
    if _titles.get(app) != sequence:
        _titles[app] = sequence
        _write(app, sequence)


def keep_title(app: App[None]) -> None:
    """Have the terminal remember the title that it has; `give_title_back` shows it again."""
    _write(app, "\x1b[22;2t")


def give_title_back(app: App[None]) -> None:
    _write(app, "\x1b[23;2t")


def alert(app: App[None], text: str) -> None:
    """A bell, and a notification (OSC 9) where the terminal knows it; tmux is asked to pass it on."""
    notification = f"\x1b]9;{plain(text, 200)}\x07"
    if os.environ.get("TMUX"):
        notification = f"\x1bPtmux;{notification.replace(chr(27), chr(27) * 2)}\x1b\\"
    app.bell()
    _write(app, notification)


def _write(app: App[None], sequence: str) -> None:
    driver = app._driver
    if driver is not None and not driver.is_headless:
        driver.write(sequence)
