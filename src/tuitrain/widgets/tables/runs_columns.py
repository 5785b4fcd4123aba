"""Which columns of the runs table fit, how wide they are, and the cached texts of their cells."""

from collections.abc import Sequence

from rich.cells import cell_len

from tuitrain.analysis.table.columns import Column, columns, shown_title
from tuitrain.analysis.table.layout import table_order
from tuitrain.runs.catalog.listing import Entry
from tuitrain.text import plain
from tuitrain.widgets.run_names import shorten_names

GAP = 2
# Cells before the name, for the marker of a marked run. The maximum width of the name on narrow and wide screens.
MARKER, NAME, WIDE_NAME, WIDE = 2, 20, 36, 100
MAX_NAME = 60
# More names than this are cut at their end, because comparing them would take too long.
MAX_SHORTENED = 500
# Columns that are shown even if all runs have the same value.
KEPT = ("status", "time")
# Cells at the end of the header for the sign of hidden columns.
MORE = 2


class RunColumns:
    """Choose the visible `columns`, the name first, with their `widths`. If not all fit, `brief_status` says that the
    status is only its sign, and `some_hidden` that there are others."""

    def __init__(self) -> None:
        self.columns: list[Column] = []
        self.widths: list[int] = []
        self.some_hidden = False
        self.brief_status = False
        # The width of the names, and the shortened ones.
        self._names: tuple[int, dict[str, str]] | None = None
        self._entries: Sequence[Entry] = ()
        self._titles: dict[str, str] = {}
        self._texts: dict[str, tuple[Entry, dict[str, str]]] = {}
        self._max_widths: dict[str, int] = {}

    def set_entries(self, entries: Sequence[Entry]) -> None:
        """Keep the cached texts of unchanged runs. Columns grow with changed runs; other runs are measured again."""
        before, self._entries = self._texts, entries
        self._titles = {}
        self._names = None
        self._texts = {}
        for entry in entries:
            cached = before.get(entry.folder.id)
            self._texts[entry.folder.id] = cached if cached and cached[0] is entry else (entry, {})
        if before.keys() != self._texts.keys():
            self._max_widths = {}
        changed = [entry for entry, texts in self._texts.values() if not texts]
        for key, width in self._max_widths.items():
            self._max_widths[key] = max(width, self._measure(columns()[key], changed))

    def title(self, column: Column) -> str:
        if column.key not in self._titles:
            self._titles[column.key] = shown_title(column, self._entries)
        return self._titles[column.key]

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
        self.brief_status = False
        widths = self._fitting(keys, sort_key, room - MARKER - name, show_all=show_all)
        if len(widths) < len(keys):
            self.brief_status = sort_key != "status"
            keys = sorted(keys, key=self._is_constant)
            widths = self._fitting(keys, sort_key, room - MARKER - name - MORE, show_all=show_all)
        self.some_hidden = len(widths) < len(keys)
        self.columns = [run, *(columns()[key] for key in table_order(widths))]
        self.widths = [name, *(widths[column.key] for column in self.columns[1:])]

    def name(self, entry: Entry) -> str:
        """Return the name of a run in the width of its column."""
        if self._names is None or self._names[0] != self.widths[0]:
            names = tuple(plain(entry.info.name, MAX_NAME) for entry in self._entries)
            short = shorten_names(names, self.widths[0]) if len(names) <= MAX_SHORTENED else names
            self._names = self.widths[0], dict(zip(names, short, strict=True))
        name = plain(entry.info.name, MAX_NAME)
        return self._names[1].get(name, name)

    def _is_constant(self, key: str) -> bool:
        """Return whether all runs have the same text in this column."""
        if key in KEPT or len(self._entries) < 2:
            return False
        first = self.text(self._entries[0], columns()[key])
        return all(self.text(entry, columns()[key]) == first for entry in self._entries)

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
        if column.key == "status" and self.brief_status:
            return 1
        if column.key not in self._max_widths:
            self._max_widths[column.key] = self._measure(column, self._entries)
        return max(self._max_widths[column.key], cell_len(self.title(column)) + 2 * (column.key == sort_key))

    def _measure(self, column: Column, entries: Sequence[Entry]) -> int:
        if column.key == "run":
            texts = {plain(entry.info.name, MAX_NAME) for entry in entries}
        else:
            texts = {self.text(entry, column) for entry in entries if entry.status != "damaged"}
        if column.key == "status":
            texts = {f"? {text}" for text in (*texts, "damaged")}
        return max(map(cell_len, texts), default=0)
