"""A letter has the same meaning on all screens."""

import importlib
import inspect
import pkgutil
from collections import defaultdict

from textual.binding import Binding
from textual.dom import DOMNode

import tuitrain

# Letters that move, as in vim, and that quit.
MOTIONS = set("hjklgGq")
# The actions of each letter, which may be called differently but mean the same to the user.
MEANINGS = {
    "a": {"all", "mark_all"}, "b": {"baseline"}, "c": {"compare"}, "d": {"detach"}, "e": {"epochs"},
    "f": {"next_confused"}, "i": {"zoom"}, "m": {"metric", "value", "page"}, "n": {"new", "more"},
    "o": {"sort", "order", "toggle_order"}, "p": {"pause", "unpause", "hold", "release"},
    "r": {"resume", "rate"}, "s": {"stop"},
    "t": {"tags"}, "u": {"undo", "unmark"}, "v": {"toggle_percent", "extremes"}, "w": {"evaluation"},
    "x": {"delete"}, "y": {"clone"}, "z": {"turn", "zoom", "toggle_size"}, "A": {"mark_none"},
    "B": {"baselines"}, "D": {"learning_curve"}, "J": {"robustness", "close"},
    "C": {"checkpoint"}, "E": {"export"}, "I": {"zoom"}, "L": {"log"},
    "M": {"grid"}, "N": {"notes"}, "O": {"robust"}, "P": {"first"}, "Q": {"queue"},
    "F": {"predict"}, "H": {"heat"}, "R": {"rename"}, "S": {"sweeps"}, "T": {"group"}, "V": {"suspects", "dismiss"},
    "U": {"machine", "dismiss"}, "W": {"explain", "dismiss"},
    "X": {"axis", "turn"}, "Y": {"rerun"}, "Z": {"fit"},
}  # fmt: skip


def letters() -> dict[str, set[str]]:
    """Return the actions of each letter in the whole app."""
    found = defaultdict(set)
    for module in pkgutil.walk_packages(tuitrain.__path__, "tuitrain."):
        if module.name.startswith(("tuitrain.app", "tuitrain.screens", "tuitrain.widgets")):
            for _, widget in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
                own = vars(widget).get("BINDINGS", []) if issubclass(widget, DOMNode) else []
                for binding in own if widget.__module__.startswith("tuitrain") else []:
                    for key in binding.key.split(",") if isinstance(binding, Binding) else ():
                        if len(key) == 1:
                            found[key].add(binding.action.partition("(")[0])
    return found


def test_a_letter_has_the_same_meaning_on_all_screens() -> None:
    found = {key: actions for key, actions in letters().items() if key.isalpha() and key not in MOTIONS}
    assert len(found) > 25
    strange = {key: actions - MEANINGS.get(key, set()) for key, actions in found.items()}
    assert not any(strange.values()), strange
