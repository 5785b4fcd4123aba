"""`tuitrain runs`: the table of runs."""

import argparse
from typing import Any

from rich.table import Table
from rich.text import Text

from tuitrain.analysis import summary
from tuitrain.cli.output import document, talk, wide_console
from tuitrain.config.values import flat
from tuitrain.runs.listing import Entry, list_runs
from tuitrain.text import plain

RIGHT = {"lr", "epochs", "best val", "test", "time"}


def run(options: argparse.Namespace) -> int:
    entries = list_runs(options.runs_dir)
    if options.json:
        document([_document(entry) for entry in entries])
        return 0
    if not entries:
        talk(f"There are no runs in {plain(options.runs_dir)}. Start one with: tuitrain train")
        return 0
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("id", no_wrap=True)
    for column in summary.COLUMNS:
        table.add_column(column, justify="right" if column in RIGHT else "left", no_wrap=True)
    for entry in entries:
        table.add_row(Text(plain(entry.folder.id)), *(Text(cell) for cell in summary.cells(entry).values()))
    console = wide_console()
    console.print(table)
    return 0


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
        "train": state.train,
        "validation": state.validation,
        "test": state.test,
        "best": state.best,
        "config": flat(entry.config),
    }
