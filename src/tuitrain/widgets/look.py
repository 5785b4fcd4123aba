"""What the terminal can show: more than ASCII or not, and the theme's colours as numbers."""

import os
from collections.abc import Mapping
from typing import Any

from textual.app import App
from textual.color import Color, ColorParseError
from textual.widget import Widget

RGB = tuple[int, int, int]
GREY: RGB = (128, 128, 128)


def utf8_locale(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether the user's terminal is said to show more than ASCII."""
    language = environment.get("LANG", "")
    chosen = environment.get("LC_ALL") or environment.get("LC_CTYPE") or language
    # Where nothing or "C" was chosen, Python itself sets LC_CTYPE so (PEP 538).
    coerced = chosen == "C.UTF-8" and not environment.get("LC_ALL") and language in ("", "C", "POSIX")
    return not coerced and "utf" in chosen.lower()


def theme_color(source: App[Any] | Widget, name: str, fallback: RGB = GREY) -> RGB:
    """A colour variable of the theme in use, as it looks on the background."""
    app = source if isinstance(source, App) else source.app
    variables = app.theme_variables
    try:
        color = Color.parse(variables[name])
        if color.a < 1:
            color = Color.parse(variables["background"]).blend(color, color.a, 1.0)
    except (KeyError, ColorParseError):
        return fallback
    return color.rgb
