"""Write results as Markdown, CSV and JSON, safe to paste into a report, a spreadsheet or a terminal."""

import csv
import io
import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from tuitrain.text import plain

Lines = Sequence[Sequence[str]]
# Characters that JSON does not escape but terminals interpret.
_CONTROLS = re.compile("[\x7f-\x9f\u200e\u200f\u202a-\u202e\u2028\u2029\u2066-\u2069\ud800-\udfff]")


def markdown(lines: Lines) -> str:
    """Return the lines, titles first, as a Markdown table."""
    head, *rows = ("| " + " | ".join(map(_escape, line)) + " |\n" for line in lines)
    return "".join([head, "| " + " | ".join(["---"] * len(lines[0])) + " |\n", *rows])


def csv_text(lines: Iterable[Sequence[str | float | None]], limit: int = 400) -> str:
    """Return the lines, titles first, as CSV; None is an empty cell. A text has at most `limit` characters."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for line in lines:
        writer.writerow([_without_formula(plain(cell, limit)) if isinstance(cell, str) else cell for cell in line])
    return text.getvalue()


def json_text(value: Any) -> str:
    return _escape_controls(msgspec.json.format(msgspec.json.encode(value)).decode()) + "\n"


def json_line(value: Any) -> str:
    """Return a value as JSON in one line without a line end. Its texts may contain lone surrogates, which stand for the
    bytes of file names that are not UTF-8."""
    return _escape_controls(json.dumps(value, ensure_ascii=False))


def _escape_controls(text: str) -> str:
    return _CONTROLS.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def _escape(text: str) -> str:
    return "".join(f"\\{character}" if character in "\\|`*_[]<>!#" else character for character in plain(text))


def _without_formula(text: str) -> str:
    """Prefix text that a spreadsheet would read as a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "@") or (text[:1] == "-" and not text[1:2].isdigit()) else text
