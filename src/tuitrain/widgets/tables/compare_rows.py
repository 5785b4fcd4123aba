"""Style the rows of a comparison for the screen."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.text import Text

from tuitrain.analysis import units
from tuitrain.analysis.comparison.table import Cell, CompareRow, short_title
from tuitrain.widgets.tables.compare_table import TableRow


@dataclass(frozen=True, slots=True)
class Styles:
    """Styles of the current theme, and the sign for the best value."""

    muted: str
    good: str
    bad: str
    best: str
    star: str


def styled_rows(
    table: Sequence[CompareRow],
    columns: Sequence[Sequence[str]],
    styles: Styles,
    *,
    heading: str,
    cursor: tuple[str, Mapping[str, str]] = ("", {}),
) -> list[TableRow]:
    """Return the rows of `table` with headings, the first one for the settings. `cursor` is a title and the values at
    the charts' cursor, by the id of the first run of each of the `columns`."""
    title, values = cursor
    settings = [_row(row, styles) for row in table if row.kind == "setting"]
    rows = [TableRow(heading), *(settings or [TableRow("none", [Text("") for _ in columns], True, "setting")])]
    if title:
        cells = [Text(values.get(ids[0], units.UNKNOWN)) for ids in columns]
        rows += [TableRow(title), TableRow("at the cursor", cells, kind="cursor", short=title)]
    return [*rows, TableRow("results"), *(_row(row, styles) for row in table if row.kind != "setting")]


def _row(row: CompareRow, styles: Styles) -> TableRow:
    is_setting = row.kind == "setting"
    return TableRow(
        row.title,
        [_text(cell, styles) for cell in row.cells],
        is_text=row.kind != "result",
        kind="setting" if is_setting else "result",
        short=short_title(row.title) if is_setting else row.title,
    )


def _text(cell: Cell, styles: Styles) -> Text:
    change_style = {1: styles.good, -1: styles.bad, 0: styles.muted}[cell.direction]
    parts = [
        (cell.text, styles.muted if cell.faint else ""),
        (cell.spread, ""),
        (cell.known, styles.muted),
        (styles.star * cell.top, styles.best),
        (cell.change, change_style),
    ]
    return Text(" ").join(Text(text, style) for text, style in parts if text)
