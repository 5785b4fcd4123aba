"""The list of a folder's runs, kept up to date with little reading."""

from pathlib import Path

from tuitrain.runs.folder import RunFolder, folders, shown_status
from tuitrain.runs.listing import Entry, entry

Stamp = tuple[tuple[int, int], ...]


class RunIndex:
    """`refresh` reads only the runs whose small files changed since the last time."""

    def __init__(self, runs_dir: Path) -> None:
        self.runs_dir = runs_dir
        self._known: dict[str, tuple[Stamp, Entry]] = {}

    def refresh(self) -> list[Entry]:
        """Newest first. Raises RunError where the folder itself cannot be read."""
        known: dict[str, tuple[Stamp, Entry]] = {}
        for folder in folders(self.runs_dir):
            stamp = _stamp(folder)
            before = self._known.get(folder.id)
            fresh = before if before and before[0] == stamp else (stamp, entry(folder))
            known[folder.id] = (stamp, _now(fresh[1]))
        self._known = known
        return [one for _, one in known.values()]


def _stamp(folder: RunFolder) -> Stamp:
    stamps = []
    for path in (folder.state_file, folder.info_file, folder.config_file):
        try:
            stat = path.stat()
            stamps.append((stat.st_mtime_ns, stat.st_ino))
        except OSError:
            stamps.append((0, 0))
    return tuple(stamps)


def _now(one: Entry) -> Entry:
    """A run whose process has died since changes no file."""
    if one.problem or not one.state.active:
        return one
    status = shown_status(one.state)
    return one if status == one.status else Entry(one.folder, one.info, one.config, one.state, status)
