"""How a user last looked at a folder of runs, kept between sessions in the user's state folder."""

from hashlib import blake2b
from pathlib import Path

import msgspec
from msgspec import Struct

from tuitrain.runs.files import replace


class View(Struct):
    """`columns` are keys, none of them: what suits the runs; `sort` is a column's key, empty: newest first;
    `grouped`: runs that differ only in their seed are one row."""

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
    """The default where there is none, or one that makes no sense: never a reason to fail."""
    try:
        return msgspec.json.decode(_path(runs_dir).read_bytes(), type=View)
    except (OSError, ValueError, RecursionError, msgspec.DecodeError):
        return View()


def save(runs_dir: Path, view: View) -> None:
    """Quietly does nothing where the file cannot be written."""
    try:
        path = _path(runs_dir)
        path.parent.mkdir(parents=True, exist_ok=True)
        replace(path, msgspec.json.encode(view))
    except (OSError, ValueError):
        return
