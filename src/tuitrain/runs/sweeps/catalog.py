"""Create, list and find the sweeps of a runs folder."""

from collections.abc import Iterator
from pathlib import Path

from tuitrain.config.sweeps.toml import loads
from tuitrain.config.toml import dumps
from tuitrain.errors import RunError
from tuitrain.runs.files import new_folder
from tuitrain.runs.folder import find_id, new_id
from tuitrain.runs.sweeps.folder import SUBFOLDERS, SweepFolder
from tuitrain.text import did_you_mean, plain


def create_sweep(runs_dir: Path, text: str) -> SweepFolder:
    """Create a sweep from the text of its TOML file, completely or not at all. Its sweep.toml gets all settings, so
    that a later version continues with these. Raises ConfigError and RunError."""
    sweep = loads(text)
    sweeps = runs_dir / ".sweeps"
    path = sweeps / new_id(sweep.name, sweeps)
    with new_folder(path, "sweep", runs_dir) as draft:
        for part in SUBFOLDERS:
            (draft / part).mkdir()
        (draft / "sweep.toml").write_text(dumps(sweep.base, text), encoding="utf-8")
        (draft / "log.txt").touch()
    return SweepFolder(path)


def sweep_of(runs_dir: Path, parent: str | None) -> SweepFolder | None:
    """Return the sweep that `RunInfo.parent` names, or None if it does not exist."""
    path = runs_dir / ".sweeps" / (parent or "")
    # `parent` is read from a file and must not lead out of the runs folder.
    return SweepFolder(path) if parent and Path(parent).name == parent and (path / "sweep.toml").is_file() else None


def list_sweeps(runs_dir: Path) -> Iterator[SweepFolder]:
    """Yield all sweeps of a runs folder, newest first."""
    try:
        paths = sorted((runs_dir / ".sweeps").iterdir(), key=lambda path: path.name, reverse=True)
    except OSError:
        return
    for path in paths:
        if not path.name.startswith(".") and (path / "sweep.toml").is_file():
            yield SweepFolder(path)


def find_sweep(runs_dir: Path, wanted: str) -> SweepFolder:
    """Return the sweep with this id, beginning or end of an id, name or path. Raises RunError unless exactly one sweep
    matches."""
    path = Path(wanted)
    if (path / "sweep.toml").is_file():
        return SweepFolder(path.absolute())
    sweeps = {folder.id: folder for folder in list_sweeps(runs_dir)}
    if (id := find_id(wanted, sweeps, lambda id: sweeps[id].sweep().name, "sweeps")) is not None:
        return sweeps[id]
    hint = did_you_mean(wanted, sweeps) or "Start one with: tuitrain sweep -c FILE"
    raise RunError(f"No sweep {plain(wanted)!r} in {plain(runs_dir)}.", hint)
