"""Find the runs of other tools in a folder: the one place that decides which kind of run a folder is."""

import os
from collections.abc import Collection, Iterator
from pathlib import Path

from tuitrain.runs.external.databases.format import DATABASES
from tuitrain.runs.external.folder import ExternalFolder
from tuitrain.runs.external.format import Format, Found, Listing
from tuitrain.runs.external.hugging_face import HUGGING_FACE
from tuitrain.runs.external.mlflow_files import MLFLOW
from tuitrain.runs.external.tables.format import TABLES
from tuitrain.runs.external.tensorboard.format import TENSORBOARD
from tuitrain.runs.external.wandb.format import WANDB
from tuitrain.runs.folder import is_run_folder
from tuitrain.text import plain

# Of several formats that find runs in a folder, the first has the most to show.
FORMATS: tuple[Format, ...] = (TENSORBOARD, WANDB, MLFLOW, HUGGING_FACE, TABLES)
# The maximum depth of runs below the runs folder, and the maximum number of folders to search.
DEEPEST, MOST_FOLDERS = 6, 20_000


def external_folders(root: Path, visited: list[Path], own: Collection[str] = ()) -> list[ExternalFolder]:
    """Return the runs of other tools in and below `root`, newest first, and add all searched folders, and
    files that may become runs, to `visited`. Skips unreadable folders, and those in `root` with a name in `own`."""
    found = [ExternalFolder(format, run, _id(root, run)) for format, run in _walk(root, 0, visited, [], own)]
    return sorted(found, key=ExternalFolder.start_key, reverse=True)


def external_folder(path: Path) -> ExternalFolder | None:
    """Return the run of another tool that `path`, a folder or a file, is; None if there is none or several."""
    if (table := TABLES.at_file(path)) is not None:
        return ExternalFolder(TABLES, table, plain(path))
    found = list(_walk(path, DEEPEST, [], []))
    # Beside a run that is the folder itself, there may be the runs of databases.
    found = [(format, run) for format, run in found if not run.name] or found
    return ExternalFolder(*found[0], plain(path)) if len(found) == 1 else None


def _id(root: Path, run: Found) -> str:
    inside = "" if run.path == root else run.path.relative_to(root).as_posix()
    return plain("/".join(part for part in (inside, run.name) if part))


def _walk(
    path: Path, depth: int, visited: list[Path], opened: list[Path], own: Collection[str] = ()
) -> Iterator[tuple[Format, Found]]:
    if len(visited) >= MOST_FOLDERS:
        return
    visited.append(path)
    try:
        listing = _list(path, opened, own)
        found = _runs(listing)
        parts = {name for format, _ in found for name in format.parts(listing)}
        visited += listing.undecided
    except OSError:
        return
    yield from found
    if depth < DEEPEST:
        for name in listing.folders:
            if name not in parts:
                yield from _walk(path / name, depth + 1, visited, opened)


def _runs(listing: Listing) -> list[tuple[Format, Found]]:
    """Return the runs in a folder. The files of several tools there most likely describe the same run, which the first
    format then shows; but each run in a database is one of its own."""
    stored: list[tuple[Format, Found]] = [(DATABASES, run) for run in DATABASES.runs(listing)]
    found = [(format, runs) for format in FORMATS if (runs := format.runs(listing))]
    if not found:
        return stored
    (first, runs), *others = found
    beside = tuple(format.title for format, _ in others)
    return [*((first, run._replace(beside=beside)) for run in runs), *stored]


def _list(path: Path, opened: list[Path], own: Collection[str]) -> Listing:
    with os.scandir(path) as items:
        names = [(item.name, item.is_dir(follow_symlinks=False)) for item in items]
    folders = [name for name, is_folder in names if is_folder and not name.startswith(".") and name not in own]
    files = [name for name, is_folder in names if not is_folder]
    folders = [name for name in sorted(folders) if not is_run_folder(path / name)]
    return Listing(path, sorted(files), folders, [], opened)
