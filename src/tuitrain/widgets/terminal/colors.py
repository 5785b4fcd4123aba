"""Colors of texts, and theme colors as RGB numbers."""

from typing import Any

from textual.app import App
from textual.color import Color, ColorParseError
from textual.widget import Widget

RGB = tuple[int, int, int]
GREY: RGB = (128, 128, 128)
# The style of secondary text in a `Content`.
MUTED = "$foreground 60%"
# The theme colors of a run's status, and the same as styles in a `Content`; other statuses have the color of text.
STATUS_COLORS = {"running": "accent", "paused": "warning", "finished": "success", "failed": "error",
                 "interrupted": "warning", "damaged": "error"}  # fmt: skip
STATUS_STYLES = {status: f"${color}" for status, color in STATUS_COLORS.items()}


def theme_color(source: App[Any] | Widget, name: str) -> RGB:
    """Return a theme color as it appears on the background; grey if it is missing or invalid."""
    app = source if isinstance(source, App) else source.app
    variables = app.theme_variables
    try:
        color = Color.parse(variables[name])
        if color.a < 1:
            color = Color.parse(variables["background"]).blend(color, color.a, 1.0)
    except (KeyError, ColorParseError):
        return GREY
    return color.rgb
