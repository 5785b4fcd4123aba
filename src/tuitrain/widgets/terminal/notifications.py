"""The window title, the bell and desktop notifications."""

import os
from weakref import WeakKeyDictionary

from textual.app import App

from tuitrain.text import plain
from tuitrain.widgets.terminal.textual_internals import write_to_terminal
from tuitrain.widgets.terminal.tmux import passed_through

_titles: WeakKeyDictionary[App[None], str] = WeakKeyDictionary()


def set_title(app: App[None], text: str) -> None:
    """Set the title of the terminal window or tmux pane; an empty text restores the terminal's default."""
    sequence = f"\x1b]2;{plain(text, 100)}\x07"
    if _titles.get(app) != sequence:
        _titles[app] = sequence
        write_to_terminal(app, sequence)


def save_title(app: App[None]) -> None:
    """Push the present title on the terminal's title stack."""
    write_to_terminal(app, "\x1b[22;2t")


def restore_title(app: App[None]) -> None:
    write_to_terminal(app, "\x1b[23;2t")


def alert(app: App[None], text: str) -> None:
    """Ring the bell and send a desktop notification (OSC 9), through tmux if necessary."""
    notification = f"\x1b]9;{plain(text, 200)}\x07"
    app.bell()
    write_to_terminal(app, passed_through(notification))


def clipboard_condition() -> str:
    """Return what the terminal needs to accept a copied text. It does not report whether it did."""
    if os.environ.get("TMUX"):
        return " (tmux passes it on with: set -g set-clipboard on)"
    return ", if your terminal allows it"
