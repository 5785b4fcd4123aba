"""A comparison into a file: in which format, and where."""

from collections.abc import Callable
from pathlib import Path
from typing import get_args

from textual.message import Message

from tuitrain.analysis.compare_export import Format
from tuitrain.text import plain
from tuitrain.widgets.forms.toml_files import ask_path
from tuitrain.widgets.messages import AskChoice

FORMATS: dict[Format, str] = {
    "markdown": "the table, for a report",
    "csv": "a line a run, for pandas and spreadsheets",
    "json": "everything, the tests and groups included",
}
SUFFIXES: dict[Format, str] = {"markdown": "md", "csv": "csv", "json": "json"}


def ask_export(
    text: Callable[[Format], str], post: Callable[[Message], object], say: Callable[[str], None]
) -> AskChoice:
    """`text` gives the comparison in a format; `post` asks for the file, `say` tells that it is written."""

    def chosen(keys: tuple[str, ...] | None) -> None:
        found = next((format for format in get_args(Format) if keys == (format,)), None)
        if found is not None:
            post(
                ask_path(f"File to write, seen from {plain(Path.cwd())}", f"comparison.{SUFFIXES[found]}", write(found))
            )

    def write(format: Format) -> Callable[[Path], None]:
        def write(path: Path) -> None:
            path.write_text(text(format), encoding="utf-8")
            say(f"Written: {plain(path)}")

        return write

    return AskChoice("Export the comparison as", [(format, format, about) for format, about in FORMATS.items()], chosen)
