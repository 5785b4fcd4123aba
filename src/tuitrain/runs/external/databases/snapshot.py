"""Read SQLite databases that other processes write, without locking or changing anything beside them.

An idle database is opened as immutable. Next to a write-ahead log or a journal, a copy in a temporary folder is opened,
because SQLite would otherwise create or lock files beside the database.
"""

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from time import monotonic
from urllib.parse import quote

from tuitrain.files import open_to_read

MAGIC = b"SQLite format 3\0"
LARGEST = 2**30
_LOGS = ("-wal", "-journal")
# Virtual-machine instructions of SQLite between two looks at the clock.
_INSTRUCTIONS = 100_000


def is_database(path: Path) -> bool:
    try:
        with open_to_read(path) as file:
            return file.read(len(MAGIC)) == MAGIC
    except OSError:
        return False


def database_files(path: Path) -> list[Path]:
    """Return the database and its logs, as far as they exist."""
    return [path, *(log for suffix in _LOGS if (log := Path(f"{path}{suffix}")).is_file())]


@contextmanager
def snapshot(path: Path, deadline: float) -> Iterator[sqlite3.Connection]:
    """Yield a connection to the present content of a database. A query that lasts until `deadline` (of time.monotonic)
    fails. Raises sqlite3.Error and OSError, also if the database changes meanwhile; a later try then succeeds."""
    before = _stamps(path)
    if before[0][1] > LARGEST:
        raise OSError(None, f"it is larger than {LARGEST // 2**30} GB")
    with tempfile.TemporaryDirectory(prefix="tuitrain-") as folder:
        uri = f"file:{quote(os.fspath(path.absolute()))}?mode=ro&immutable=1"
        if any(size for _, size in before[1:]):
            copied = Path(folder) / "copy.db"
            for file in database_files(path):
                shutil.copyfile(file, f"{copied}{file.name[len(path.name) :]}")
            uri = f"file:{quote(os.fspath(copied))}"
        with closing(sqlite3.connect(uri, uri=True, timeout=0, isolation_level=None)) as connection:
            connection.execute("PRAGMA trusted_schema = OFF")
            connection.set_progress_handler(lambda: monotonic() > deadline, _INSTRUCTIONS)
            connection.text_factory = lambda content: content.decode("utf-8", "replace")
            yield connection
    # A write-ahead log may have grown: SQLite ignores its incomplete end.
    if _stamps(path)[0] != before[0]:
        raise sqlite3.OperationalError("it changed while it was read")


def _stamps(path: Path) -> list[tuple[int, int]]:
    """Return the modification time and size of the database and its logs."""
    stamps = []
    for file in [path, *(Path(f"{path}{suffix}") for suffix in _LOGS)]:
        try:
            status = file.stat()
            stamps.append((status.st_mtime_ns, status.st_size))
        except FileNotFoundError:
            if file == path:
                raise
            stamps.append((0, 0))
    return stamps
