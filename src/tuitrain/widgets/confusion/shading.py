"""Background colors of confusion matrix cells, and marks for terminals without colors."""

from math import ceil, sqrt

from rich.style import Style
from textual.color import BLACK, WHITE, Color

LEVELS = 24


def color_scale(base: Color, hue: Color, weakest: float, strongest: float) -> list[Style]:
    """Blend `hue` into `base` in LEVELS steps, each with readable text."""
    step = (strongest - weakest) / LEVELS
    backgrounds = [base.blend(hue, weakest + step * level) for level in range(LEVELS + 1)]
    return [Style(color=_text_color(color).rich_color, bgcolor=color.rich_color) for color in backgrounds]


def shade(scale: list[Style], fraction: float) -> Style:
    """Pick a style by the square root of `fraction`, so that 1 % is visible next to 40 %."""
    return scale[ceil(sqrt(fraction) * LEVELS)]


def _text_color(background: Color) -> Color:
    """Return black or white, whichever has more contrast by WCAG 2: at least 4.58 on any background."""
    red, green, blue = (component**2.2 for component in background.normalized)
    return BLACK if 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.179 else WHITE


def mark(fraction: float) -> str:
    """Return a character that stands for the shade in terminals without colors."""
    return "" if fraction < 0.01 else "░" if fraction < 0.1 else "▒" if fraction < 0.5 else "▓"
