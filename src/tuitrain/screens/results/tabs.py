"""Draw the tabs of the results screen."""

from collections.abc import Sequence

from textual.content import Content

from tuitrain.widgets.terminal.colors import MUTED

# The width from which the tabs have two spaces between them.
SPACIOUS = 90
# The key of each page. In charts, 0 resets the zoom.
PAGE_KEYS = "123456789m"


def tab_line(pages: Sequence[str], current: str, width: int) -> Content:
    """Return the tabs in at most `width` columns: all keys, the name of the current page, and as many other names as
    fit."""
    for count in range(len(pages), -1, -1):
        named = {*pages[:count], current}
        names = [
            Content.assemble(
                (f"{key} ", "$footer-key-foreground"),
                (page if page in named else "", "bold $accent underline" if page == current else MUTED),
            )
            for key, page in zip(PAGE_KEYS, pages, strict=True)
        ]
        line = Content("  " if width > SPACIOUS else " ").join(names)
        # The line has a margin of one column on each side.
        if line.cell_length <= width - 2:
            break
    return line
