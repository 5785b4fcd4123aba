"""Write a report to a file, completely or not at all."""

import re
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from tuitrain.errors import RunError
from tuitrain.files import replace
from tuitrain.output_file import FORCE, check_output_file, not_written
from tuitrain.runs.folder import RunFolder
from tuitrain.text import plain

SUFFIXES = (".html", ".htm", ".md", ".markdown")
_MARKDOWN = SUFFIXES[2:]
# The end of the name of the folder beside a Markdown file that holds its pictures.
_BESIDE = "_files"
# The names of the files that a report writes into this folder.
_OURS = re.compile(r"(loss|accuracy|learning-rate|confusion|all-[a-z]+)-\w+\.svg|picture-\d+-\d+\.png")


def default_path(folders: Sequence[RunFolder]) -> Path:
    """Return the default name of a report, in the working folder."""
    return Path(f"{folders[0].id.replace('/', '-')}.html" if len(folders) == 1 else "comparison.html")


def check_destination(path: Path, *, force: bool = False) -> None:
    """Raise RunError if a report cannot have this name, or if the file exists and `force` is not given. The folder with
    the pictures of a Markdown file may contain nothing else."""
    if path.suffix.lower() not in SUFFIXES:
        hint = "Choose a name that ends in .html, or in .md for Markdown."
        raise RunError(f"{plain(path)} is neither HTML nor Markdown.", hint)
    check_output_file(path, force=force)
    try:
        if _is_markdown(path):
            _check_pictures(_folder(path), force=force)
    except OSError as error:
        raise not_written(path, error) from None


def write_report(folders: Sequence[RunFolder], path: Path, *, force: bool = False) -> list[Path]:
    """Write the report of the runs in the format of the file's suffix, and return its files, the report first. Raise
    RunError if it cannot be written; see `check_destination`."""
    check_destination(path, force=force)
    from tuitrain.report import render  # Jinja2 and Matplotlib are slow to import.
    from tuitrain.report.content import collect

    report, pictures = collect(folders), dict[str, bytes]()
    if _is_markdown(path):
        text, pictures = render.markdown(report, quote(_folder(path).name))
    else:
        text = render.html(report)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        files = _write_pictures(_folder(path), pictures) if _is_markdown(path) else []
        replace(path, text.encode())
    except OSError as error:
        raise not_written(path, error) from None
    return [path, *files]


def _is_markdown(path: Path) -> bool:
    return path.suffix.lower() in _MARKDOWN


def _folder(path: Path) -> Path:
    return path.with_name(f"{path.stem}{_BESIDE}")


def _check_pictures(folder: Path, *, force: bool) -> None:
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise RunError(f"{plain(folder)} is not a folder, and the pictures need it.", "Choose another name.")
    present = list(folder.iterdir()) if folder.exists() else []
    others = [file.name for file in present if not _OURS.fullmatch(file.name) or not file.is_file()]
    if others:
        raise RunError(
            f"The folder {plain(folder)} contains other files: {plain(others[0], 60)}.", "Choose another name."
        )
    if present and not force:
        raise RunError(f"The folder {plain(folder)} already exists.", FORCE)


def _write_pictures(folder: Path, pictures: dict[str, bytes]) -> list[Path]:
    """Replace the pictures in the folder, and remove those of the previous report."""
    folder.mkdir(exist_ok=True)
    for name, content in pictures.items():
        replace(folder / name, content)
    for old in folder.iterdir():
        if old.name not in pictures and _OURS.fullmatch(old.name):
            old.unlink()
    return [folder / name for name in pictures]
