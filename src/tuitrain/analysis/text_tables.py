"""Write results as Markdown, CSV and JSON, safe to paste into a report, a spreadsheet or a terminal."""

import csv
import io
import json
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from tuitrain.text import markdown_text, plain, printable_json

Lines = Sequence[Sequence[str]]


def markdown(lines: Lines) -> str:
    """Return the lines, titles first, as a Markdown table."""
    head, *rows = ("| " + " | ".join(map(markdown_text, line)) + " |\n" for line in lines)
    return "".join([head, "| " + " | ".join(["---"] * len(lines[0])) + " |\n", *rows])


def csv_text(lines: Iterable[Sequence[str | float | None]], limit: int = 400) -> str:
    """Return the lines, titles first, as CSV; None is an empty cell. A text has at most `limit` characters."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for line in lines:
        writer.writerow([_without_formula(plain(cell, limit)) if isinstance(cell, str) else cell for cell in line])
    return text.getvalue()


def json_text(value: Any) -> str:
    return printable_json(msgspec.json.format(msgspec.json.encode(value)).decode()) + "\n"


def json_line(value: Any) -> str:
    """Return a value as JSON in one line without a line end. Its texts may contain lone surrogates, which stand for the
    bytes of file names that are not UTF-8."""
    return printable_json(json.dumps(value, ensure_ascii=False))


def _without_formula(text: str) -> str:
    """Prefix text that a spreadsheet would read as a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "@") or (text[:1] == "-" and not text[1:2].isdigit()) else text
