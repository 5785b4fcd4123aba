"""Theme colors as RGB numbers."""

from typing import Any

from textual.app import App
from textual.color import Color, ColorParseError
from textual.widget import Widget

RGB = tuple[int, int, int]
GREY: RGB = (128, 128, 128)


def theme_color(source: App[Any] | Widget, name: str, fallback: RGB = GREY) -> RGB:
    """Return a theme color as it appears on the background; `fallback` if it is missing or invalid."""
    app = source if isinstance(source, App) else source.app
    variables = app.theme_variables
    try:
        color = Color.parse(variables[name])
        if color.a < 1:
            color = Color.parse(variables["background"]).blend(color, color.a, 1.0)
    except (KeyError, ColorParseError):
        return fallback
    return color.rgb
