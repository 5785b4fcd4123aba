"""Ask for the format and path of an exported comparison."""

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
    "csv": "one line per run, for pandas and spreadsheets",
    "json": "everything, including tests and groups",
}
SUFFIXES: dict[Format, str] = {"markdown": "md", "csv": "csv", "json": "json"}


def ask_export(
    text: Callable[[Format], str], post: Callable[[Message], object], notify: Callable[[str], None]
) -> AskChoice:
    """`text` returns the comparison in a format, `post` posts the request for a path, `notify` confirms."""

    def chosen(keys: tuple[str, ...] | None) -> None:
        chosen_format = next((format for format in get_args(Format) if keys == (format,)), None)
        if chosen_format is not None:
            title = f"Save as, relative to {plain(Path.cwd())}"
            post(ask_path(title, f"comparison.{SUFFIXES[chosen_format]}", write(chosen_format)))

    def write(format: Format) -> Callable[[Path], None]:
        def write(path: Path) -> None:
            path.write_text(text(format), encoding="utf-8")
            notify(f"Saved {plain(path)}")

        return write

    return AskChoice("Export the comparison as", [(format, format, help) for format, help in FORMATS.items()], chosen)
