"""Progress bars as text."""

from textual.content import Content

from tuitrain.text import utf8_locale
from tuitrain.widgets.terminal.colors import MUTED

EIGHTHS = " ▏▎▍▌▋▊▉█"


def bar(fraction: float, width: int) -> Content:
    """Return a bar of `width` cells, of block characters or, without UTF-8, of ASCII."""
    fraction = min(1.0, max(0.0, fraction))
    if not utf8_locale():
        full = round(fraction * width)
        return Content.assemble(("#" * full, "$accent"), ("." * (width - full), "$foreground-disabled"))
    full, eighths = divmod(round(fraction * width * 8), 8)
    empty = width - full - (eighths > 0)
    text = "█" * full + (EIGHTHS[eighths] if eighths else "")
    return Content.assemble((text, "$accent on $panel"), (" " * empty, "on $panel"))


def progress(label: str, fraction: float, width: int) -> Content:
    room = max(4, width - len(label) - 8)
    percent = f" {100 * fraction:3.0f} %"
    return Content.assemble((f"{label} ", MUTED), bar(fraction, room), percent)
