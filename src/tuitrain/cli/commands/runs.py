"""`tuitrain runs`: list runs."""

import argparse
import gc
import shutil
import signal
import sys
import time
from typing import Any

from tuitrain.analysis.table import query
from tuitrain.analysis.table.columns import Column, column, columns, shown_title
from tuitrain.analysis.table.layout import columns_for_test_split, parse_sort, sort_entries
from tuitrain.cli.output import print_json, print_line, print_message
from tuitrain.cli.slurm_output import update_from_slurm
from tuitrain.cli.table import format_table
from tuitrain.config.values import flatten
from tuitrain.errors import ConfigError
from tuitrain.runs.catalog.index import RunIndex
from tuitrain.runs.catalog.listing import Entry
from tuitrain.runs.catalog.result import scores
from tuitrain.runs.changes import present
from tuitrain.runs.slurm import waiting_runs
from tuitrain.text import plain

COLUMNS = (
    "id", "run", "status", "data.dataset", "model.name", "optimizer.name", "model.activation", "optimizer.lr", "epoch",
    "best",
)  # fmt: skip


# Seconds between two looks at the runs with --watch.
INTERVAL = 2.0


class RunsTable:
    """The runs that match the options, as lines of a table. Raises ConfigError if an option is invalid."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._matches = query.parse(options.filter)
        self._order = parse_sort(options.sort) if options.sort else None
        self._chosen = [column(name.strip()).key for name in options.columns.split(",") if name.strip()]
        self._index = RunIndex(options.folder or options.runs_dir)
        self._filter = options.filter
        self.all: list[Entry] = []
        self.matching: list[Entry] = []

    def refresh(self, *, ask_slurm: bool) -> None:
        entries = self._index.refresh()
        if ask_slurm and update_from_slurm(waiting_runs((entry.folder, entry.state) for entry in entries)):
            entries = self._index.refresh()
        matching = [entry for entry in entries if self._matches(entry)]
        self.all, self.matching = entries, sort_entries(matching, *self._order) if self._order else matching

    def lines(self) -> list[str]:
        """Return the table, or one line that says why it is empty."""
        folder = plain(self._index.runs_dir)
        if not self.all:
            return [f"No runs in {folder}. Start one with: tuitrain train"]
        if not self.matching:
            return [f"None of the {len(self.all)} runs in {folder} matches {plain(self._filter)!r}."]
        sorted_by = [self._order[0].key] if self._order else []
        automatic = (*COLUMNS, *columns_for_test_split(self.matching), "time", *sorted_by)
        visible = [columns()[key] for key in dict.fromkeys(("id", *self._chosen) if self._chosen else automatic)]
        titles = [shown_title(one, self.matching) for one in visible]
        right = [index for index, one in enumerate(visible) if one.right]
        return format_table([titles, *(_cells(entry, visible) for entry in self.matching)], right)


def run(options: argparse.Namespace) -> int:
    table = RunsTable(options)
    if options.watch:
        if options.json:
            raise ConfigError("--watch and --json cannot be combined.", "Call tuitrain runs --json again and again.")
        return _watch(table)
    gc.disable()  # Everything is printed once and the process exits.
    table.refresh(ask_slurm=True)
    for entry in table.all:
        if not entry.folder.editable and (problem := entry.problem or entry.state.reason):
            print_message(f"tuitrain: {plain(entry.folder.id, 100)}: {plain(problem)}")
    if options.json:
        print_json([_document(entry) for entry in table.matching])
        return 0
    show = print_line if table.matching else print_message
    for line in table.lines():
        show(line)
    return 0


def _watch(table: RunsTable) -> int:
    """Draw the table every `INTERVAL` seconds on the alternate screen until ctrl+c; then print it once more."""
    if not sys.stdout.isatty():
        raise ConfigError("--watch needs a terminal.", "Print the table once: tuitrain runs")
    # Otherwise the signal would leave the terminal on the alternate screen.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(130))
    lines: list[str] = []
    try:
        # The alternate screen, without a cursor, and without line breaks in rows that are wider than the terminal.
        sys.stdout.write("\x1b[?1049h\x1b[?25l\x1b[?7l")
        while True:
            table.refresh(ask_slurm=False)
            lines = table.lines()
            sys.stdout.write("\x1b[H" + "".join(f"\x1b[K{line}\n" for line in _visible(lines)) + "\x1b[J")
            sys.stdout.flush()
            time.sleep(INTERVAL)
    except KeyboardInterrupt:
        return 0
    finally:
        sys.stdout.write("\x1b[?7h\x1b[?25h\x1b[?1049l" + "".join(f"{line}\n" for line in lines))


def _visible(lines: list[str]) -> list[str]:
    """Return the lines that the terminal has space for; the last one says how many are missing."""
    space = max(2, shutil.get_terminal_size().lines - 1)
    if len(lines) <= space:
        return lines
    return [*lines[: space - 1], f"and {len(lines) - space + 1} more"]


def _cells(entry: Entry, shown: list[Column]) -> list[str]:
    """Return the cells of a row; a damaged run shows its problem instead of its settings."""
    if entry.status != "damaged":
        return [plain(entry.folder.id) if column.key == "id" else column.text(entry) for column in shown]
    known = {"id": entry.folder.id, "run": entry.info.name, "status": "damaged", "data.dataset": entry.problem}
    return [plain(known.get(column.key, ""), 200) for column in shown]


def _document(entry: Entry) -> dict[str, Any]:
    state = entry.state
    return {
        "id": entry.folder.id,
        "name": entry.info.name,
        "path": str(entry.folder.path),
        "status": entry.status,
        "reason": entry.problem or state.reason,
        "created": entry.info.created,
        "tags": entry.info.tags,
        "epochs": state.epoch,
        "steps": state.step,
        "seconds": state.seconds,
        **scores(state),
        "config": entry.settings if entry.folder.read_only else flatten(entry.config),
        "changed": present(entry.changes),
    }
