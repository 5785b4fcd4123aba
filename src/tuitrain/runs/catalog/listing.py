"""List the run folders in a folder, read the entry of a run in a list, and find a run."""

import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from msgspec import Struct

from tuitrain.config.conditions import CONDITIONS, unused
from tuitrain.config.schema import Config
from tuitrain.errors import RunError
from tuitrain.runs.changes import Changed, changes
from tuitrain.runs.external.find import external_folder, external_folders
from tuitrain.runs.external_info import ExternalRunInfo, settings_of
from tuitrain.runs.folder import RunFolder, find_id, folders, shown_status
from tuitrain.runs.records import RunInfo, ShownStatus, State
from tuitrain.runs.scripts.folder import ScriptFolder, is_script_folder
from tuitrain.text import did_you_mean, plain


class Entry(Struct, frozen=True):
    """A run in the list. If its status is `damaged`, `problem` is the reason, and other fields may be defaults."""

    folder: RunFolder
    info: RunInfo
    config: Config
    state: State
    status: ShownStatus
    problem: str = ""

    @property
    def settings(self) -> dict[str, Any]:
        """The known settings that the run uses, by key."""
        return {} if self.status == "damaged" else settings_of(self.info, self.config)

    @property
    def changes(self) -> dict[str, Changed]:
        """The settings changed while the run was active, by key."""
        return {} if self.problem or self.folder.read_only else changes(self.config, self.state)

    def setting(self, key: str) -> Any:
        """Return one setting, or None if it is unknown or the run does not use it."""
        if self.status == "damaged":
            return None
        if isinstance(self.info, ExternalRunInfo):
            return self.info.hparams.get(key)
        if key in CONDITIONS and key in unused(self.config):
            return None
        section, _, name = key.partition(".")
        return getattr(getattr(self.config, section), name)


def entry(folder: RunFolder) -> Entry:
    """Read the entry of a run. Never raises: a damaged run has status `damaged`."""
    info, config, state = RunInfo(id=folder.id, name=folder.id), Config(), State()
    try:
        info = folder.info()
        state = folder.state()
        config = folder.config()
    except RunError as error:
        return Entry(folder, info, config, state, "damaged", str(error))
    return Entry(folder, info, config, state, shown_status(state))


def all_folders(runs_dir: Path, visited: list[Path] | None = None) -> list[RunFolder]:
    """Return the folders of the runs of tuitrain and of scripts, then those of other tools, each newest first. Adds the
    folders in which a new run would appear to `visited`. Raises RunError if `runs_dir` cannot be read."""
    own = [_of_kind(folder) for folder in folders(runs_dir)]
    return [*own, *external_folders(runs_dir, [] if visited is None else visited, {folder.id for folder in own})]


def _of_kind(folder: RunFolder) -> RunFolder:
    """Return the folder as one of a script's run if it is one."""
    return ScriptFolder(folder.path) if is_script_folder(folder.path) else folder


def find(runs_dir: Path, wanted: str) -> RunFolder:
    """Return the run with this id, beginning or end of an id, name or path. Raises RunError unless exactly one run
    matches."""
    return find_all(runs_dir, [wanted])[0]


def find_all(runs_dir: Path, wanted: Iterable[str]) -> list[RunFolder]:
    """Return the run that `find` returns for each of `wanted`, from one listing of `runs_dir`."""

    @cache
    def runs() -> dict[str, RunFolder]:
        return {folder.id: folder for folder in all_folders(runs_dir)}

    @cache
    def name(id: str) -> str:
        with suppress(RunError):
            return runs()[id].name()
        return ""

    return [_at_path(text) or _listed(runs_dir, text, runs(), name) for text in wanted]


def _at_path(wanted: str) -> RunFolder | None:
    """Return the run in this folder or file, or None if there is none. A single word is not a folder."""
    if os.sep in wanted or os.path.isfile(wanted):  # noqa: PTH113
        path = Path(wanted)
        if any(os.path.isfile(path / name) for name in ("run.json", "state.json")):  # noqa: PTH113
            return _of_kind(RunFolder(path))
        return external_folder(path)
    return None


def _listed(runs_dir: Path, wanted: str, runs: Mapping[str, RunFolder], name: Callable[[str], str]) -> RunFolder:
    if (id := find_id(wanted, runs, name, "runs")) is not None:
        return runs[id]
    if os.sep in wanted:
        raise RunError(f"No run in {plain(wanted)}.", "See: tuitrain runs")
    hint = did_you_mean(wanted, runs) or "See: tuitrain runs"
    raise RunError(f"No run {plain(wanted)!r} in {plain(runs_dir)}.", hint)
