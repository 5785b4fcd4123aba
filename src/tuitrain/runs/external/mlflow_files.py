"""Read runs of MLflow's file store: mlruns/EXPERIMENT/RUN with a file per metric, parameter and tag."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from time import monotonic
from typing import Any

from tuitrain.errors import RunError
from tuitrain.runs.external.format import Format, Found, Listing
from tuitrain.runs.external.hparams import MOST, from_values, number_or_text
from tuitrain.runs.external.rows import MOST_TAGS, Rows
from tuitrain.runs.external.source import Ended, Series, Source
from tuitrain.runs.files import read, read_lines
from tuitrain.text import plain

META = "meta.yaml"
FOLDERS = ("metrics", "params", "tags", "artifacts", "inputs", "outputs")
# The numbers of the states in meta.yaml.
ENDS: dict[str, Ended] = {"3": "finished", "4": "failed", "5": "stopped"}
LONGEST_LINE, LARGEST_PARAMETER = 2**16, 2**16
# Metrics with a slash in their name are files in subfolders.
_DEEPEST = 4


class MlflowFormat(Format):
    """A folder with meta.yaml and a folder metrics is a run."""

    title = "MLflow's file store"

    def runs(self, listing: Listing) -> list[Found]:
        if META not in listing.files or "metrics" not in listing.folders:
            return []
        return [] if _meta(listing.path).get("lifecycle_stage") == "deleted" else [Found(listing.path)]

    def parts(self, listing: Listing) -> list[str]:
        return [name for name in listing.folders if name in FOLDERS]

    def files(self, run: Found) -> list[Path]:
        return [run.path / META, run.path / "metrics", *_files_in(run.path / "metrics")]

    def start_key(self, run: Found) -> str:
        return f"{_seconds(_meta(run.path).get('start_time')):017.6f}"

    def name(self, run: Found) -> str:
        try:
            return plain(read(run.path / "tags" / "mlflow.runName", 1000).decode("utf-8", "replace"), 100)
        except RunError:
            return ""

    def open(self, run: Found) -> Source:
        return MlflowReader(run.path)


def _files_in(folder: Path, depth: int = 0) -> Iterator[Path]:
    """Yield the files in and below a folder, sorted. Raises OSError."""
    with os.scandir(folder) as items:
        found = sorted((item.name, item.is_dir(follow_symlinks=False)) for item in items)
    for name, is_folder in found[:MOST_TAGS]:
        if not is_folder:
            yield folder / name
        elif depth < _DEEPEST:
            yield from _files_in(folder / name, depth + 1)


def _meta(run: Path) -> dict[str, str]:
    """Return the lines of meta.yaml, which MLflow writes without nesting; parsing YAML would take milliseconds."""
    try:
        lines = read(run / META).decode("utf-8", "replace").splitlines()
    except RunError:
        return {}
    return {name: value.strip(" '\"") for name, colon, value in (line.partition(":") for line in lines) if colon}


def _seconds(milliseconds: str | None) -> float:
    return int(milliseconds) / 1000 if milliseconds and re.fullmatch(r"\d{1,15}", milliseconds) else 0.0


class MlflowReader:
    """Reads the files of a run; see `Source`."""

    host = ""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._clear()

    def _clear(self) -> None:
        self.settings: dict[str, Any] = {}
        self.ended: Ended | None = None
        self._start = self._end = 0.0
        self._meta: object = None
        self._rows = Rows()
        self._offsets: dict[Path, int] = {}
        self._damaged: dict[Path, str] = {}

    @property
    def series(self) -> dict[str, dict[str, Series]]:
        return self._rows.series

    @property
    def first(self) -> float:
        return self._start or self._rows.first

    @property
    def last(self) -> float:
        return max(self._rows.last, self._start, self._end)

    @property
    def problems(self) -> list[str]:
        return [*self._damaged.values(), *([self._rows.problem] if self._rows.problem else [])]

    @property
    def changes(self) -> object:
        return self._rows.changes, self._meta

    def poll(self, deadline: float) -> bool:
        """Read new lines until `deadline`; return whether there is more to read. Raises OSError."""
        files = list(_files_in(self.path / "metrics"))
        if any(path not in files or path.stat().st_size < offset for path, offset in self._offsets.items()):
            self._clear()
        self._read_meta()
        for path in files:
            while self._read_lines(path):
                if monotonic() > deadline:
                    return True
        return False

    def _read_meta(self) -> None:
        """Read state and parameters, if one of them has changed."""
        status, params = (self.path / META).stat(), self.path / "params"
        paths = list(_files_in(params)) if params.is_dir() else []
        stamp = status.st_mtime_ns, status.st_size, len(paths)
        if stamp == self._meta:
            return
        self._meta = stamp
        meta = _meta(self.path)
        self.ended = ENDS.get(meta.get("status", ""))
        self._start, self._end = _seconds(meta.get("start_time")), _seconds(meta.get("end_time"))
        self.settings = from_values({path.relative_to(params).as_posix(): _parameter(path) for path in paths[:MOST]})

    def _read_lines(self, path: Path) -> bool:
        """Read a chunk of a metric; return whether there was any. Lines have a time, a value and a step."""
        before = self._offsets.get(path, 0)
        try:
            lines, self._offsets[path] = read_lines(path, before, LONGEST_LINE)
        except RunError as error:
            self._damaged[path] = str(error)
            return False
        name = path.relative_to(self.path / "metrics").as_posix()
        for line in lines:
            try:
                time, value, step = (float(text) for text in line.split()[:3])
            except ValueError:
                reason = f"{plain(line.decode('utf-8', 'replace'), 60)!r} is not a time, a value and a step"
                self._damaged.setdefault(path, f"metrics/{plain(name, 80)} is damaged: {reason}.")
                continue
            self._rows.add({name: value, "_timestamp": time / 1000, "_step": step}, 0)
        return bool(lines)


def _parameter(path: Path) -> float | str:
    try:
        return number_or_text(read(path, LARGEST_PARAMETER).decode("utf-8", "replace"))
    except RunError:
        return ""


MLFLOW = MlflowFormat()
