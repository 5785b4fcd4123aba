"""Themes, and the choice of how often to redraw over a slow connection."""

import os

from textual.theme import BUILTIN_THEMES

from tuitrain.config import preferences
from tuitrain.errors import ConfigError
from tuitrain.widgets.terminal.painter import PaintedApp
from tuitrain.widgets.terminal.themes import load_themes, shipped_themes_folder


class Appearance(PaintedApp):
    """Load the themes and remember the user's choices."""

    def __init__(self) -> None:
        super().__init__()
        # Animations only cost bytes over a slow connection.
        self.animation_level = "none"
        for name in BUILTIN_THEMES:
            self.unregister_theme(name)
        self._theme_errors: list[ConfigError] = []
        folders = [shipped_themes_folder(), preferences.user_themes_folder()]
        for loaded in load_themes(folders, self._theme_errors.append).values():
            self.register_theme(loaded.theme)
        preferred = preferences.load()
        self.slow_line = preferred.slow_line
        self.theme = preferred.theme if preferred.theme in self.available_themes else _default_theme()

    def on_mount(self) -> None:
        self.theme_changed_signal.subscribe(self, lambda theme: preferences.update(theme=theme.name))
        for error in self._theme_errors:
            self.notify(str(error), severity="warning", markup=False)

    def set_slow_line(self, choice: preferences.SlowLine) -> None:
        self.slow_line = choice
        preferences.update(slow_line=choice)


def _default_theme() -> str:
    """Return the light theme if COLORFGBG, as set by rxvt, Konsole and others, names a light background."""
    background = os.environ.get("COLORFGBG", "").rpartition(";")[2]
    return "tuitrain-light" if background in ("7", "15") else "tuitrain-dark"
