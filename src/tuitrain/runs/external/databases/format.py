"""Recognize the SQLite databases of trackio and MLflow. Each contains several runs."""

from pathlib import Path
from time import monotonic

from tuitrain.runs.external.format import Format, Found, Listing
from tuitrain.runs.external.source import Source

ENDING = ".db"
MOST_DATABASES = 100
# Seconds to list the runs of a database.
_PATIENCE = 5.0


class DatabaseFormat(Format):
    """Runs are named after the database and their name in it; their key is the name of the file and their key in it."""

    title = "a database of trackio or MLflow"

    def runs(self, listing: Listing) -> list[Found]:
        names = [name for name in listing.files if name.endswith(ENDING)][:MOST_DATABASES]
        if not names:
            return []
        from tuitrain.runs.external.databases.snapshot import is_database

        found: list[Found] = []
        for name in names:
            if is_database(listing.path / name):
                # A new run does not change the folder.
                listing.undecided.append(listing.path / name)
                found += _runs(listing.path, name)
        return found

    def files(self, run: Found) -> list[Path]:
        from tuitrain.runs.external.databases.snapshot import database_files

        return database_files(run.path / _file(run))

    def start_key(self, run: Found) -> str:
        """Return the time of the database: `runs` orders the runs in it."""
        return f"{(run.path / _file(run)).stat().st_mtime:017.6f}"

    def open(self, run: Found) -> Source:
        from tuitrain.runs.external.databases.mlflow import MlflowStore
        from tuitrain.runs.external.databases.reader import DatabaseReader
        from tuitrain.runs.external.databases.trackio import TrackioStore

        tool, _, key = run.key.removeprefix(f"{_file(run)}/").partition("/")
        store = MlflowStore() if tool == "mlflow" else TrackioStore()
        return DatabaseReader(run.path / _file(run), store, key)


def _file(run: Found) -> str:
    return run.key.partition("/")[0]


def _runs(folder: Path, name: str) -> list[Found]:
    """Return the runs in a database; none if it is another tool's or cannot be read now."""
    import sqlite3

    from tuitrain.runs.external.databases.mlflow import MlflowStore
    from tuitrain.runs.external.databases.snapshot import snapshot
    from tuitrain.runs.external.databases.trackio import TrackioStore

    try:
        with snapshot(folder / name, monotonic() + _PATIENCE) as connection:
            tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            for tool, store in (("trackio", TrackioStore()), ("mlflow", MlflowStore())):
                if store.tables <= tables:
                    stored = store.runs(connection)
                    prefix = f"{name.removesuffix(ENDING)}/" if tool == "trackio" else ""
                    return [Found(folder, prefix + run.name, f"{name}/{tool}/{run.key}") for run in stored]
    except (sqlite3.Error, OSError):
        return []
    return []


DATABASES = DatabaseFormat()
