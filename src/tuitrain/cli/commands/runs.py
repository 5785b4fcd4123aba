"""`tuitrain runs`: list runs."""

import argparse
import gc
from typing import Any

from tuitrain.analysis.table import query
from tuitrain.analysis.table.columns import Column, column, columns, shown_title
from tuitrain.analysis.table.layout import columns_for_test_split, parse_sort, sort_entries
from tuitrain.cli.output import print_json, print_message
from tuitrain.cli.slurm_output import update_from_slurm
from tuitrain.cli.table import write_table
from tuitrain.config.values import flatten
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


def run(options: argparse.Namespace) -> int:
    gc.disable()  # Everything is printed once and the process exits.
    matches = query.parse(options.filter)
    order = parse_sort(options.sort) if options.sort else None
    chosen = [column(name.strip()).key for name in options.columns.split(",") if name.strip()]
    runs_dir = options.folder or options.runs_dir
    index = RunIndex(runs_dir)
    entries = index.refresh()
    if update_from_slurm(waiting_runs((entry.folder, entry.state) for entry in entries)):
        entries = index.refresh()
    for entry in entries:
        if entry.folder.read_only and (problem := entry.problem or entry.state.reason):
            print_message(f"tuitrain: {plain(entry.folder.id, 100)}: {plain(problem)}")
    matching = [entry for entry in entries if matches(entry)]
    if order:
        matching = sort_entries(matching, *order)
    if options.json:
        print_json([_document(entry) for entry in matching])
    elif matching:
        automatic = (*COLUMNS, *columns_for_test_split(matching), "time", *([order[0].key] if order else []))
        keys = ("id", *chosen) if chosen else automatic
        visible = [columns()[key] for key in dict.fromkeys(keys)]
        titles = [shown_title(one, matching) for one in visible]
        right = [index for index, one in enumerate(visible) if one.right]
        write_table([titles, *(_cells(entry, visible) for entry in matching)], right)
    elif entries:
        print_message(f"None of the {len(entries)} runs in {plain(runs_dir)} matches {plain(options.filter)!r}.")
    else:
        print_message(f"No runs in {plain(runs_dir)}. Start one with: tuitrain train")
    return 0


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
