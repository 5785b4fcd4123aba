"""Draw the tabs of the results screen."""

from collections.abc import Sequence

from textual.content import Content

from tuitrain.widgets.terminal.colors import MUTED

# The width from which the tabs have two spaces between them.
SPACIOUS = 90
# The pages and their keys. In charts, 0 resets the zoom.
PAGES = {
    "summary": "1", "curves": "2", "confusion": "3", "classes": "4", "worst": "5", "settings": "6", "log": "7",
    "gradients": "8", "layers": "9", "metrics": "m",
}  # fmt: skip


def tab_line(pages: Sequence[str], current: str, width: int) -> Content:
    """Return the tabs in at most `width` columns: all keys, the name of the current page, and as many other names as
    fit."""
    for count in range(len(pages), -1, -1):
        named = {*pages[:count], current}
        names = [
            Content.assemble(
                (f"{PAGES[page]} ", "$footer-key-foreground"),
                (page if page in named else "", "bold $accent underline" if page == current else MUTED),
            )
            for page in pages
        ]
        line = Content("  " if width > SPACIOUS else " ").join(names)
        # The line has a margin of one column on each side.
        if line.cell_length <= width - 2:
            break
    return line
