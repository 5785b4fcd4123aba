"""Import what the next screens need while the user reads the first one."""

import gc
import importlib
import pkgutil

from tuitrain import screens


def import_screens() -> None:
    """Import plotext and the screens, then exclude all present objects from garbage collection. A full collection would
    delay a key; these objects live as long as the app."""
    import plotext  # noqa: F401

    for module in pkgutil.walk_packages(screens.__path__, f"{screens.__name__}."):
        importlib.import_module(module.name)
    gc.freeze()
    gc.enable()
