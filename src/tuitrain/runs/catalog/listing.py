"""All runs of a folder, and finding one."""

import os
from pathlib import Path
from typing import Any

from msgspec import Struct

from tuitrain.config.schema import Config
from tuitrain.errors import RunError
from tuitrain.runs.changes import Changed, changes
from tuitrain.runs.external import setting_of, settings_of
from tuitrain.runs.folder import RunFolder, folders, shown_status
from tuitrain.runs.records import RunInfo, ShownStatus, State
from tuitrain.runs.tensorboard.folder import EventFolder, event_folders, is_event_folder
from tuitrain.text import did_you_mean, plain


class Entry(Struct, frozen=True):
    """One run of the list; where `status` is damaged, `problem` says why and the rest may be defaults."""

    folder: RunFolder
    info: RunInfo
    config: Config
    state: State
    status: ShownStatus
    problem: str = ""

    @property
    def settings(self) -> dict[str, Any]:
        """All that is known, by key."""
        return {} if self.status == "damaged" else settings_of(self.info, self.config)

    @property
    def changes(self) -> dict[str, Changed]:
        """The settings that were changed on the way, by key."""
        return {} if self.problem or self.folder.read_only else changes(self.config, self.state)

    def setting(self, key: str) -> Any:
        """None where it is not known."""
        return None if self.status == "damaged" else setting_of(self.info, self.config, key)


def entry(folder: RunFolder) -> Entry:
    """Never raises for a damaged run."""
    info, config, state = RunInfo(id=folder.id, name=folder.id), Config(), State()
    try:
        info = folder.info()
        state = folder.state()
        config = folder.config()
    except RunError as error:
        return Entry(folder, info, config, state, "damaged", str(error))
    return Entry(folder, info, config, state, shown_status(state))


def list_runs(runs_dir: Path) -> list[Entry]:
    """Newest first. Raises RunError where the folder itself cannot be read; one that is not there has no runs."""
    return [entry(folder) for folder in all_folders(runs_dir)]


def all_folders(runs_dir: Path, visited: list[Path] | None = None) -> list[RunFolder]:
    """tuitrain's own, then those of other tools, each the newest first. The folders in which a new run would appear are
    added to `visited`. Raises RunError where the folder itself cannot be read."""
    own = list(folders(runs_dir))
    return [*own, *event_folders(runs_dir, [] if visited is None else visited, {folder.id for folder in own})]


def find(runs_dir: Path, wanted: str) -> RunFolder:
    """The run with this id, beginning of an id, end of an id, name, or path. Raises RunError where none or many fit."""
    path = Path(wanted)
    if len(path.parts) > 1 or path.is_absolute():
        if any(os.path.isfile(path / name) for name in ("run.json", "state.json")):  # noqa: PTH113
            return RunFolder(path)
        if is_event_folder(path):
            return EventFolder(path, plain(path))
    candidates = all_folders(runs_dir)
    exact = [folder for folder in candidates if folder.id == wanted]
    fitting = (
        exact or [f for f in candidates if f.id.startswith(wanted) or f.id.endswith((f"-{wanted}", f"/{wanted}"))]
        if wanted
        else []
    )
    fitting = fitting or [folder for folder in candidates if _name(folder) == wanted]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        ids = ", ".join(plain(folder.id) for folder in fitting[:5])
        raise RunError(f"{plain(wanted)!r} fits {len(fitting)} runs: {ids}.", "Give more of the id.")
    if len(path.parts) > 1:
        raise RunError(f"There is no run in {plain(wanted)}.", "See: tuitrain runs")
    hint = did_you_mean(wanted, [folder.id for folder in candidates]) or "See: tuitrain runs"
    raise RunError(f"There is no run {plain(wanted)!r} in {plain(runs_dir)}.", hint)


def _name(folder: RunFolder) -> str | None:
    try:
        return folder.name()
    except RunError:
        return None
