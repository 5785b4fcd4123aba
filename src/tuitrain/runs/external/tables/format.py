"""Recognize CSV files and JSON lines that contain metrics of a run."""

import re
from pathlib import Path

from tuitrain.files import open_to_read
from tuitrain.runs.external.format import Format, Found, Listing
from tuitrain.runs.external.rows import EPOCH, SPLIT_COLUMNS, STEPS, TIMES, Row, names_metrics
from tuitrain.runs.external.source import Source
from tuitrain.runs.external.tables.csv_lines import CsvLines
from tuitrain.runs.external.tables.json_lines import JsonLines

CSV, JSON_LINES = (".csv", ".tsv"), (".jsonl", ".ndjson")
# JSON lines of DeiT, MAE and the many scripts that follow them.
JSON_NAMES = ("log.txt",)
SETTINGS = ("hparams.yaml", "args.yaml", "config.yaml", "hparams.json", "args.json", "config.json")
# The columns in which `tuitrain export --format csv` begins.
OWN_EXPORT = ("split", "step", "epoch", "seconds", "time")
# Limits on the files to open in a folder and in a whole search, on the bytes of each, and on the rows.
MOST_FILES, MOST_OPENED, MOST_BYTES, MOST_ROWS = 100, 20_000, 64 * 1024, 5
_HIDDEN = re.compile(r"\.|~")


class TableFormat(Format):
    """A file is a run if it names a step or an epoch, and a loss or an accuracy, and has numbers in all cells. The only
    such file in a folder stands for the folder."""

    title = "a CSV file or JSON lines"

    def runs(self, listing: Listing) -> list[Found]:
        most = min(MOST_FILES, MOST_OPENED - len(listing.opened))
        tables = [name for name in listing.files if _is_table_name(name)][:most]
        listing.opened.extend(listing.path / name for name in tables)
        names = []
        for name in tables:
            recognized = is_table(listing.path / name)
            if recognized is None:
                listing.undecided.append(listing.path / name)
            elif recognized:
                names.append(name)
        if len(names) == 1:
            return [Found(listing.path, key=names[0])]
        return [Found(listing.path, name, name) for name in names]

    def at_file(self, path: Path) -> Found | None:
        """Return the run in a file that the user names; its columns may have any names."""
        return Found(path.parent, path.name, path.name) if _is_table_name(path.name) and path.is_file() else None

    def files(self, run: Found) -> list[Path]:
        return [run.path / run.key]

    def start_key(self, run: Found) -> str:
        return f"{(run.path / run.key).stat().st_mtime:017.6f}"

    def open(self, run: Found) -> Source:
        from tuitrain.runs.external.tables.reader import TableReader

        path = run.path / run.key
        beside = next((run.path / name for name in SETTINGS if (run.path / name).is_file()), None)
        return TableReader(path, CsvLines if _is_csv(run.key) else JsonLines, None if run.name else beside)


def _is_table_name(name: str) -> bool:
    return name in JSON_NAMES or (name.lower().endswith((*CSV, *JSON_LINES)) and not _HIDDEN.match(name))


def _is_csv(name: str) -> bool:
    return name.lower().endswith(CSV)


def is_table(path: Path) -> bool | None:
    """Return whether the first lines of a file look like metrics of a run; None if it has too few lines to tell."""
    try:
        with open_to_read(path) as file:
            content = file.read(MOST_BYTES)
    except OSError:
        return False
    lines = content.rpartition(b"\n")[0].split(b"\n")[: MOST_ROWS + 1]
    if _is_csv(path.name):
        return _is_csv_table(lines) if content.count(b"\n") else None
    return _is_json_table(lines) or (None if content.count(b"\n") < MOST_ROWS and len(content) < MOST_BYTES else False)


def _is_csv_table(lines: list[bytes]) -> bool:
    table = CsvLines()
    rows = [row for _, row in table.rows(lines, 0)]
    if len(table.names) > 1 and tuple(table.names[: len(OWN_EXPORT)]) == OWN_EXPORT:
        return False
    return names_metrics(table.names) and all(map(_has_numbers, rows)) and not table.problem


def _is_json_table(lines: list[bytes]) -> bool:
    table = JsonLines()
    rows = [row for _, row in table.rows(lines, 0)]
    return bool(rows) and not table.problem and any(names_metrics(list(row)) and _has_step(row) for row in rows)


def _has_numbers(row: Row) -> bool:
    return _has_step(row) and not any(
        isinstance(value, str) and name.lower() not in (*SPLIT_COLUMNS, *TIMES) for name, value in row.items()
    )


def _has_step(row: Row) -> bool:
    return any(isinstance(value, float) and name.lower() in (*STEPS, EPOCH) for name, value in row.items())


TABLES = TableFormat()
