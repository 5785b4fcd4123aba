"""Read and write the marks that the user gives to labels, a CSV file beside the folder of the run."""

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from tuitrain.errors import RunError
from tuitrain.files import open_to_read, replace
from tuitrain.output_file import not_written
from tuitrain.runs.folder import RunFolder
from tuitrain.text import plain

WRONG, RIGHT = "wrong", "right"
COLUMNS = ("file", "label", "mark", "suggested")
_MAX_BYTES = 2**26


class Mark(NamedTuple):
    """A mark, WRONG or RIGHT, of an image with this `label`; `suggested` is the class that it should have."""

    label: str
    mark: str
    suggested: str


def marks_file(folder: RunFolder) -> Path:
    """Return the file with the marks of a run: RUN-marks.csv beside its folder."""
    return folder.path.with_name(f"{folder.path.name}-marks.csv")


def read_marks(path: Path) -> dict[str, Mark]:
    """Return the marks by the path of the image, or its split and index; empty if there is no file. Raise RunError if
    it cannot be read."""
    try:
        with open_to_read(path) as file:
            text = file.read(_MAX_BYTES).decode("utf-8-sig")
        rows = csv.DictReader(io.StringIO(text, newline=""))
        return {
            row["file"]: Mark(row["label"], row["mark"], row["suggested"])
            for row in rows
            if row["file"] and row["mark"] in (WRONG, RIGHT)
        }
    except FileNotFoundError:
        return {}
    except OSError as error:
        reason = error.strerror or plain(error, 120)
    except (UnicodeDecodeError, csv.Error, KeyError):
        reason = f"it is not CSV with the columns {', '.join(COLUMNS)}"
    raise RunError(f"{plain(path)} cannot be read: {reason}.", "Move the file away to begin with no marks.")


def write_marks(path: Path, marks: Mapping[str, Mark]) -> None:
    """Replace the file. Raise RunError if it cannot be written."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows([file, *mark] for file, mark in marks.items())
    try:
        replace(path, text.getvalue().encode("utf-8", "surrogateescape"))
    except OSError as error:
        raise not_written(path, error) from None
