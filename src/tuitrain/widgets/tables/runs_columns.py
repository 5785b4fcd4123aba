"""Which columns of the runs table fit, how wide they are, and the cached texts of their cells."""

from collections.abc import Sequence

from rich.cells import cell_len

from tuitrain.analysis.table.columns import Column, columns
from tuitrain.analysis.table.layout import table_order
from tuitrain.runs.catalog.listing import Entry
from tuitrain.text import plain

GAP = 2
# Cells before the name, for the marker of a marked run. The maximum width of the name on narrow and wide screens.
MARKER, NAME, WIDE_NAME, WIDE = 2, 20, 36, 100
# Cells at the end of the header for the sign of hidden columns.
MORE = 2


class RunColumns:
    """`columns` are the visible ones, the name first, with their `widths`; `some_hidden` says that others did not
    fit."""

    def __init__(self) -> None:
        self.columns: list[Column] = []
        self.widths: list[int] = []
        self.some_hidden = False
        self._entries: Sequence[Entry] = ()
        self._texts: dict[str, tuple[Entry, dict[str, str]]] = {}
        self._max_widths: dict[str, int] = {}

    def set_entries(self, entries: Sequence[Entry]) -> None:
        """Keep the cached texts of unchanged runs. Columns grow with changed runs; other runs are measured again."""
        before, self._entries = self._texts, entries
        self._texts = {}
        for entry in entries:
            cached = before.get(entry.folder.id)
            self._texts[entry.folder.id] = cached if cached and cached[0] is entry else (entry, {})
        if before.keys() != self._texts.keys():
            self._max_widths = {}
        changed = [entry for entry, texts in self._texts.values() if not texts]
        for key, width in self._max_widths.items():
            self._max_widths[key] = max(width, self._measure(columns()[key], changed))

    def text(self, entry: Entry, column: Column) -> str:
        texts = self._texts[entry.folder.id][1]
        # An age changes while the run does not.
        text = None if column.key == "age" else texts.get(column.key)
        if text is None:
            text = texts[column.key] = column.text(entry)
        return text

    def fit(self, keys: Sequence[str], sort_key: str, width: int, room: int, *, show_all: bool) -> None:
        """Choose the columns among `keys`, the most important first, for a screen of `width` cells with `room` for the
        table."""
        run = columns()["run"]
        name = min(WIDE_NAME if width >= WIDE else NAME, self._width(run, sort_key))
        widths = self._fitting(keys, sort_key, room - MARKER - name, show_all=show_all)
        if len(widths) < len(keys):
            widths = self._fitting(keys, sort_key, room - MARKER - name - MORE, show_all=show_all)
        self.some_hidden = len(widths) < len(keys)
        self.columns = [run, *(columns()[key] for key in table_order(widths))]
        self.widths = [name, *(widths[column.key] for column in self.columns[1:])]

    @property
    def total_width(self) -> int:
        return MARKER + sum(self.widths) + GAP * len(self.widths[1:])

    def _fitting(self, keys: Sequence[str], sort_key: str, room: int, *, show_all: bool) -> dict[str, int]:
        widths: dict[str, int] = {}
        for key in keys:
            width = self._width(columns()[key], sort_key)
            if show_all or width + GAP <= room:
                widths[key] = width
                room -= width + GAP
        return widths

    def _width(self, column: Column, sort_key: str) -> int:
        """Return the width of a column including its title and, for the sort column, the arrow."""
        if column.key not in self._max_widths:
            self._max_widths[column.key] = self._measure(column, self._entries)
        return max(self._max_widths[column.key], cell_len(column.title) + 2 * (column.key == sort_key))

    def _measure(self, column: Column, entries: Sequence[Entry]) -> int:
        if column.key == "run":
            texts = {plain(entry.info.name, 60) for entry in entries}
        else:
            texts = {self.text(entry, column) for entry in entries if entry.status != "damaged"}
        if column.key == "status":
            texts = {f"? {text}" for text in (*texts, "damaged")}
        return max(map(cell_len, texts), default=0)
