"""Progress as text: bars that say how far the epoch and the run are."""

from textual.content import Content

EIGHTHS = " ▏▎▍▌▋▊▉█"


def bar(fraction: float, width: int, *, blocks: bool = True) -> Content:
    """`width` cells, filled from the left; without `blocks` in plain characters."""
    fraction = min(1.0, max(0.0, fraction))
    if not blocks:
        full = round(fraction * width)
        return Content.assemble(("#" * full, "$accent"), ("." * (width - full), "$foreground-disabled"))
    full, part = divmod(round(fraction * width * 8), 8)
    rest = width - full - (part > 0)
    text = "█" * full + (EIGHTHS[part] if part else "")
    return Content.assemble((text, "$accent on $panel"), (" " * rest, "on $panel"))


def progress(label: str, fraction: float, width: int, *, blocks: bool = True) -> Content:
    """`label ████▌    54 %` in `width` cells."""
    room = max(4, width - len(label) - 7)
    return Content.assemble((f"{label} ", "$foreground 60%"), bar(fraction, room, blocks=blocks), f" {fraction:4.0%}")
