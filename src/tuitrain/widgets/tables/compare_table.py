"""The content of a comparison table: runs, and a value for each of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from rich.style import Style
from rich.text import Text
from textual.widget import Widget

from tuitrain.widgets.terminal.colors import theme_color


@dataclass(frozen=True, slots=True)
class TableRow:
    """A label and one cell per run; text cells may be truncated, numbers may not. A row without cells is a heading.
    `short` is the title of a column for the row."""

    label: str
    cells: Sequence[Text] = ()
    is_text: bool = False
    kind: Literal["setting", "cursor", "result"] = "result"
    short: str = ""


class RunHead(NamedTuple):
    """Marker, name and style of a column."""

    marker: str
    name: str
    color: str

    def text(self, name: str) -> Text:
        return Text(f"{self.marker} {name}", style=self.color)


class CompareTable(Widget):
    """A table of runs in which one is selected."""

    def __init__(self) -> None:
        super().__init__()
        self.heads: tuple[RunHead, ...] = ()
        self.rows: tuple[TableRow, ...] = ()
        self.selected = 0

    def show(self, heads: Sequence[RunHead], rows: Sequence[TableRow], selected: int) -> None:
        """Show runs with these heads; `selected` is the index of the highlighted one."""
        content = (tuple(heads), tuple(rows), selected)
        if content != (self.heads, self.rows, self.selected):
            self.heads, self.rows, self.selected = content
            self.content_changed()

    def content_changed(self) -> None:
        raise NotImplementedError

    def style(self, name: str) -> Style:
        return Style(color="rgb({},{},{})".format(*theme_color(self, name)))
