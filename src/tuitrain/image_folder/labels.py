"""Read the labels of images, or only the names of their files, from a CSV file."""

import csv
import os
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from tuitrain.errors import DataError
from tuitrain.image_folder.names import assigned_split
from tuitrain.text import plain

MAX_BYTES = 512 * 2**20
# The names by which a column is recognized, in lower case and without spaces, dashes and underscores.
FILE_COLUMNS = ("file", "filename", "path", "filepath", "image", "imagepath", "imagefile", "imageid", "img", "id")
LABEL_COLUMNS = ("label", "class", "classname", "category", "target", "y")
SPLIT_COLUMNS = ("split", "subset", "set", "partition")
GROUP_COLUMNS = ("group", "groupid", "patient", "patientid", "subject", "subjectid", "scene", "sceneid", "camera")
_HINT = "Name the columns in its first line, for example file,label,split,group."
_REMOVE = "Remove one of them."
_NAMED = 3


class Row(NamedTuple):
    """The cells of an image in the CSV file. None: the file has no such column, or the cell is empty."""

    label: str | None
    split: str | None
    group: str | None


class Labels(NamedTuple):
    """The rows of the CSV file `source`, by the name of the image as the file spells it."""

    source: Path
    rows: dict[str, Row]
    columns: dict[str, str]

    def match(self, files: Sequence[str], notes: list[str]) -> dict[str, Row]:
        """Return what `find` does. Raise DataError also if no row fits a file."""
        if not (found := self.find(files, notes)):
            raise DataError(
                f"{plain(self.source)} names none of the {len(files):,} images in data.dir; its first is"
                f" {plain(next(iter(self.rows)), 60)}.",
                "Write paths relative to data.dir.",
            )
        return found

    def find(self, files: Sequence[str], notes: list[str]) -> dict[str, Row]:
        """Return the rows of `files`, paths relative to the folder of images; add a note about rows without a file.

        A row names a file by its path, or by the last parts of it, both with or without the suffix. Raise DataError if
        a row fits several files, or if several rows fit a file.
        """
        fitting: dict[str, list[str]] = {}
        for file in files:
            for name in _names(file):
                if name in self.rows:
                    fitting.setdefault(name, []).append(file)
        found: dict[str, Row] = {}
        for name, several in fitting.items():
            file = name if name in several else several[0]
            if file != name and len(several) > 1:
                raise DataError(
                    f"{plain(name, 80)} in {plain(self.source)} fits {plain(file, 80)} and {plain(several[1], 80)}.",
                    "Write paths relative to data.dir, or set data.dir to one of their folders.",
                )
            if found.setdefault(file, self.rows[name]) != self.rows[name]:
                raise DataError(f"{plain(self.source)} has two different rows for {plain(file, 80)}.", _REMOVE)
        if lost := [plain(name, 60) for name in self.rows if name not in fitting]:
            rest = f" and {len(lost) - _NAMED:,} more" if len(lost) > _NAMED else ""
            notes.append(f"rows of {plain(self.source.name)} without an image: {', '.join(lost[:_NAMED])}{rest}")
        return found


def read_labels(path: Path, group: str | None = None) -> Labels:
    """Read a CSV file with a header. `group` names the column with groups; None: one of `GROUP_COLUMNS`, if there is
    one. Raise DataError if the file cannot be read, or if its columns or rows are ambiguous."""
    labels = _read(path, "data.labels", lambda header: _columns(header, path, group))
    if not labels.rows:
        raise DataError(f"{plain(path)} has no rows.", _HINT)
    return labels


def read_files(path: Path, setting: str) -> Labels:
    """Read only the column with the files of a CSV file that `setting` names; the rows have no other cells. Raise
    DataError if the file cannot be read, or if it has no such column."""
    return _read(path, setting, lambda header: _file_column(header, path))


def _read(path: Path, setting: str, choose: Callable[[list[str]], dict[str, tuple[int, str]]]) -> Labels:
    """Read the columns that `choose` returns for the header."""
    hint = f"Set {setting} to a CSV file."
    try:
        # A pipe could block forever.
        if not path.is_file() or path.stat().st_size > MAX_BYTES:
            reason = f"it is larger than {MAX_BYTES >> 20} MB" if path.is_file() else "there is no such file"
            raise DataError(f"{plain(path)} cannot be read: {reason}.", hint)
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = _reader(file.readline(), file)
            columns = choose(next(lines, []))
            return Labels(path, _rows(lines, columns, path), {kind: title for kind, (_, title) in columns.items()})
    except (UnicodeDecodeError, csv.Error):
        reason = "it is not CSV in UTF-8"
    except OSError as error:
        reason = plain(error.strerror)
    raise DataError(f"{plain(path)} cannot be read: {reason}.", hint)


def _file_column(header: list[str], path: Path) -> dict[str, tuple[int, str]]:
    names = [plain(name.strip(), 40) for name in header]
    for index, name in enumerate(names):
        if _key(name) in FILE_COLUMNS:
            return {"file": (index, name)}
    raise DataError(
        f"{plain(path)} has no column file: {plain(', '.join(names), 80) or 'it is empty'}.",
        "Name the column with the images file in its first line.",
    )


def _reader(header: str, lines: Iterable[str]) -> Iterator[list[str]]:
    """Yield the cells of each line, separated by the most frequent separator of the header."""
    separator = max(",;\t", key=header.count)
    yield from csv.reader([header], delimiter=separator)
    yield from csv.reader(lines, delimiter=separator)


def _columns(header: list[str], path: Path, group: str | None) -> dict[str, tuple[int, str]]:
    """Return the index and the name of each known column by its kind: file, label, split, group."""
    names = [plain(name.strip(), 40) for name in header]
    found: dict[str, int] = {}
    kinds = {"file": FILE_COLUMNS, "split": SPLIT_COLUMNS, "group": GROUP_COLUMNS, "label": LABEL_COLUMNS}
    for kind, known in kinds.items():
        wanted = (group,) if kind == "group" and group else known
        fitting = [index for index, name in enumerate(names) if name in wanted or _key(name) in wanted]
        if len(fitting) > 1 and kind != "file":
            hint = "Set data.group to one of them." if kind == "group" else "Rename one of them."
            both = " and ".join(names[index] for index in fitting[:2])
            raise DataError(f"{plain(path)} has two columns for the {kind}: {both}.", hint)
        if fitting:
            found[kind] = fitting[0]
    if group and "group" not in found:
        raise DataError(f"{plain(path)} has no column {plain(group, 40)}.", "Set data.group to one of its columns.")
    if names:
        found.setdefault("file", 0)
    if len(names) == 2 and len(found) == 1:
        found["label"] = 1 - found["file"]
    if len(found) < 2:
        raise DataError(f"{plain(path)} has no column with labels: {plain(', '.join(names), 80)}.", _HINT)
    return {kind: (index, names[index]) for kind, index in found.items()}


def _key(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter not in " -_")


def _rows(lines: Iterator[list[str]], columns: dict[str, tuple[int, str]], path: Path) -> dict[str, Row]:
    rows: dict[str, Row] = {}
    for number, cells in enumerate(lines, 2):
        if not any(map(str.strip, cells)):
            continue
        file, label, split, group = (_cell(cells, columns.get(kind)) for kind in ("file", "label", "split", "group"))
        if file is None:
            raise DataError(f"Line {number} of {plain(path)} names no file.", "Complete or remove it.")
        row = Row(label, _split(split, number, path), group)
        name = os.path.normpath(unicodedata.normalize("NFC", file).replace("\\", "/"))
        if rows.setdefault(name, row) != row:
            raise DataError(f"{plain(path)} has two different rows for {plain(name, 80)}.", _REMOVE)
    return rows


def _cell(cells: list[str], column: tuple[int, str] | None) -> str | None:
    text = cells[column[0]].strip() if column and column[0] < len(cells) else ""
    # tuitrain's own tables protect a text that a spreadsheet would read as a formula.
    return text.removeprefix("'") if text[1:2] in tuple("=+@-") else text or None


def _split(text: str | None, number: int, path: Path) -> str | None:
    if text is None:
        return None
    if (split := assigned_split(text)) is None:
        raise DataError(
            f"Line {number} of {plain(path)}: the split {plain(text, 40)} is unknown.", "Use train, val and test."
        )
    return split


def _names(file: str) -> Iterator[str]:
    """Yield the names by which a row may call the file at this relative path: a/b.png, a/b, b.png and b."""
    name = unicodedata.normalize("NFC", file)
    while name:
        yield name
        if (stem := os.path.splitext(name)[0]) != name:  # noqa: PTH122 (a million Path objects are slow)
            yield stem
        name = name.partition(os.sep)[2]
