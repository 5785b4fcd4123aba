"""The columns, sort order and filter of the runs table, stored per runs folder in the user's state folder."""

from hashlib import blake2b
from pathlib import Path

import msgspec
from msgspec import Struct

from tuitrain.errors import RunError
from tuitrain.files import replace
from tuitrain.runs.files import read


class View(Struct):
    """The columns, order, filter and grouping of a runs table. `columns` are keys; empty means automatic. `sort` is a
    column key; empty means newest first. `grouped` shows runs that differ only in their seed as one row."""

    columns: tuple[str, ...] = ()
    sort: str = ""
    falling: bool = False
    filter: str = ""
    grouped: bool = False


def _path(runs_dir: Path) -> Path:
    import platformdirs

    name = blake2b(str(runs_dir.absolute()).encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()
    return platformdirs.user_state_path("tuitrain", appauthor=False) / "views" / f"{name}.json"


def load(runs_dir: Path) -> View:
    """Return the stored view, or the default if it is missing or invalid."""
    try:
        return msgspec.json.decode(read(_path(runs_dir)), type=View)
    except (RunError, ValueError, RecursionError, msgspec.DecodeError):
        return View()


def save(runs_dir: Path, view: View) -> None:
    """Store the view; do nothing if the file cannot be written."""
    try:
        path = _path(runs_dir)
        path.parent.mkdir(parents=True, exist_ok=True)
        replace(path, msgspec.json.encode(view))
    except (OSError, ValueError):
        return
