"""Import what the next screens need while the user reads the first one."""

import gc
import importlib

SCREENS = ("results", "training", "compare", "new_run", "help", "question")


def import_screens() -> None:
    """Import plotext and the screens, then exclude all present objects from garbage collection. A full collection would
    delay a key; these objects live as long as the app."""
    import plotext  # noqa: F401

    for screen in SCREENS:
        importlib.import_module(f"tuitrain.screens.{screen}")
    gc.freeze()
    gc.enable()
