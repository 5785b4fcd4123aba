"""Paths and contents of a run folder."""

import os
import re
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from tuitrain.config.schema import Config
from tuitrain.config.toml import add_former_defaults, config_from_tree, dumps, parse
from tuitrain.errors import ConfigError, RunError
from tuitrain.files import check_own_file, check_own_folder, open_to_read, replace
from tuitrain.runs.files import LARGEST_EVALUATION, read, read_json
from tuitrain.runs.process import alive
from tuitrain.runs.records import FORMAT, Evaluation, RunInfo, ShownStatus, State
from tuitrain.text import plain

if TYPE_CHECKING:
    from tuitrain.runs.predictions import Predictions

Stamp = tuple[tuple[int, ...], ...]
_ID = re.compile(r"\d{8}-\d{6}-.*[0-9a-f]{4}$")


def slug(text: str) -> str:
    """Return `text` for use in a file name: lower case letters, digits and dashes, 0 to 40 characters."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:40].rstrip("-")


def new_id(name: str, parent: Path, now: float | None = None) -> str:
    """Return an id that no folder in `parent` has: two runs of one second may draw the same number."""
    stamp = time.strftime("%Y%m%d-%H%M%S", time.localtime(now))
    while True:
        new = "-".join(part for part in (stamp, slug(name), os.urandom(2).hex()) if part)
        if not os.path.lexists(parent / new):
            return new


class _Inside:
    """A path in the run folder, created on access: a list of thousands of runs uses few of them."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, folder: "RunFolder", owner: type) -> Path:
        return folder.path / self._name


class RunFolder:
    """Paths and contents of a run folder. Every method that reads raises RunError if a file is missing or damaged."""

    config_file = _Inside("config.toml")
    info_file = _Inside("run.json")
    state_file = _Inside("state.json")
    metrics_file = _Inside("metrics.jsonl")
    control_file = _Inside("control.jsonl")
    log_file = _Inside("log.txt")
    evaluations = _Inside("evaluation")
    checkpoints = _Inside("checkpoints")
    code = _Inside("code")
    # Whether another program trained the run: tuitrain can neither resume nor evaluate it; see `check_writable`.
    read_only = False
    # What another tool's run is read from. A folder with another origin is another run, even with the same id.
    origin: object = None
    # Whether tuitrain may write its name, tags, notes and commands, and delete it.
    editable = True

    def __init__(self, path: Path) -> None:
        self.path = path
        self.id = path.name

    def name(self) -> str:
        return self.info().name

    def stamp(self) -> Stamp:
        """Return a value that changes whenever the entry of the run in a list of runs may have changed."""
        stamps = []
        for name in ("state.json", "run.json", "config.toml"):
            try:
                stat = os.stat(f"{self.path}/{name}")  # noqa: PTH116
                stamps.append((stat.st_ctime_ns, stat.st_ino, stat.st_size))
            except OSError:
                stamps.append((0, 0, 0))
        return tuple(stamps)

    def advance(self, seconds: float) -> bool:  # noqa: ARG002
        """Read slow content in advance for about `seconds`; return whether all of it is read."""
        return True

    def forget(self) -> None:
        """Drop the content that `advance` read."""

    def check_editable(self) -> None:
        """Raise RunError if tuitrain only reads the run, because another tool wrote it."""
        if not self.editable:
            self.check_writable()

    def check_writable(self) -> None:
        """Raise RunError if another program trained the run."""
        if self.read_only:
            hint = "tuitrain can show and compare it, but not change it."
            raise RunError(f"{plain(self.id, 100)} is another tool's run.", hint)

    def info(self) -> RunInfo:
        info = read_json(self.info_file, RunInfo)
        if info.format != FORMAT:
            raise RunError(
                f"run.json has format {info.format}; this tuitrain reads format {FORMAT}.", "Update tuitrain."
            )
        return info

    def state(self) -> State:
        return read_json(self.state_file, State)

    def config(self) -> Config:
        try:
            tree = parse(read(self.config_file).decode(), "config.toml")
            return config_from_tree(add_former_defaults(tree), "config.toml")
        except (ConfigError, UnicodeDecodeError) as error:
            raise RunError(f"config.toml is damaged: {plain(error, 160)}") from None

    def write_config(self, config: Config) -> None:
        """Replace the configuration, and keep the comments of the file. Raises RunError."""
        text = read(self.config_file).decode()
        try:
            replace(self.config_file, dumps(config, text).encode())
        except OSError as error:
            raise RunError(f"config.toml cannot be written: {error.strerror}.") from None

    def check_own_files(self) -> None:
        """Raise RunError if another tool wrote the run, or if writing to it would change something outside of its
        folder, which may contain links."""
        self.check_editable()
        try:
            for file in (self.metrics_file, self.control_file, self.log_file):
                check_own_file(file)
            for folder in (self.evaluations, self.checkpoints):
                check_own_folder(folder)
        except OSError as error:
            hint = "Replace it by a copy: a run writes only to files of its own."
            raise RunError(f"The run cannot be written: {error.strerror}.", hint) from None

    def evaluation(self, split: str, checkpoint: str = "last") -> Evaluation | None:
        """Return an evaluation, or None if it does not exist. Its confusion matrix is square, and all class indices are
        valid."""
        path = self._evaluation_file(split, checkpoint)
        if not os.path.lexists(path):
            return None
        evaluation = read_json(path, Evaluation, LARGEST_EVALUATION)
        classes = range(len(evaluation.classes))
        if {len(evaluation.confusion), *map(len, evaluation.confusion)} != {len(classes)} or any(
            sample.true not in classes or sample.predicted not in classes for sample in evaluation.worst
        ):
            raise RunError(f"{path.name} is damaged: its classes do not match its counts.")
        return evaluation

    def best_test(self, state: State) -> Evaluation | None:
        """Return the test evaluation of the best weights, or of the last weights if these are the best or the only."""
        best = self.evaluation("test", "best") if state.best else None
        # A run that was extended may have become better since.
        return best if best and state.best and best.step == state.best.step else self.evaluation("test")

    def predictions(self, split: str, checkpoint: str = "last") -> "Predictions | None":
        """Return the predictions of an evaluation, or None if they do not exist, as in a run of an older version."""
        from tuitrain.runs.predictions import read as read_predictions  # NumPy is slow to import.

        path = _predictions_file(self._evaluation_file(split, checkpoint))
        return read_predictions(path) if os.path.lexists(path) else None

    def predictions_of(self, evaluation: Evaluation) -> "Predictions | None":
        """Return the predictions of an evaluation of this run, or None if the folder lacks them."""
        predictions = self.predictions(evaluation.split, evaluation.checkpoint)
        return predictions if predictions and predictions.step == evaluation.step else None

    def write_evaluation(
        self, evaluation: Evaluation, predictions: "Predictions | None" = None, *, beside: bool = False
    ) -> bool:
        """Store an evaluation and its predictions; with `beside`, in separate files that are named after its
        fingerprint. Return whether the predictions were small enough to be stored."""
        self._create_evaluations()
        path = self._evaluation_file(evaluation.split, evaluation.checkpoint)
        if beside:
            path = path.with_stem(f"{path.stem}-{evaluation.fingerprint}")
        stored = predictions is not None and predictions.write(_predictions_file(path))
        if not stored:
            _predictions_file(path).unlink(missing_ok=True)
        replace(path, msgspec.json.encode(evaluation))
        return stored

    def write_in_evaluations(self, name: str, content: bytes) -> None:
        """Replace the file `name` in the folder `evaluation`. Raises OSError."""
        self._create_evaluations()
        replace(self.evaluations / name, content)

    def _create_evaluations(self) -> None:
        check_own_folder(self.evaluations)
        self.evaluations.mkdir(exist_ok=True)

    def _evaluation_file(self, split: str, checkpoint: str) -> Path:
        return self.evaluations / (f"{split}.json" if checkpoint == "last" else f"{split}-{checkpoint}.json")


def _predictions_file(evaluation: Path) -> Path:
    return evaluation.with_name(f"{evaluation.stem}.predictions.npz")


def shown_status(state: State) -> ShownStatus:
    """Return the status of the run: `interrupted` if the run is active but its process no longer exists."""
    if state.status == "queued" and state.waiting is not None:
        return "queued"
    if state.active and not alive(state.process, state.heartbeat):
        return "interrupted"
    return state.status


def folders(runs_dir: Path) -> Iterator[RunFolder]:
    """Yield the run folders in `runs_dir`, newest first by name; skip other folders."""
    try:
        with os.scandir(runs_dir) as items:
            newest_first = sorted(items, key=lambda item: item.name, reverse=True)
    except FileNotFoundError:
        return
    except OSError as error:
        raise RunError(f"The runs folder {plain(runs_dir)} cannot be read: {error.strerror}.") from None
    for item in newest_first:
        if not item.name.startswith(".") and not item.is_symlink() and is_run_folder(path := runs_dir / item.name):
            yield RunFolder(path)


def is_run_folder(path: Path) -> bool:
    """Return whether a folder contains files of a run, or is named like one and contains no other tool's files."""
    if any(os.path.lexists(f"{path}/{name}") for name in ("run.json", "state.json", "config.toml")):
        return True
    if os.path.lexists(f"{path}/metrics.jsonl"):
        return not _are_other_rows(path / "metrics.jsonl")
    try:
        return bool(_ID.match(path.name)) and not any(map(_is_other_file, path.iterdir()))
    except OSError:
        return True


def _are_other_rows(metrics_file: Path) -> bool:
    """Return whether the first row is an object, but not one of tuitrain's rows, which begin with their kind."""
    try:
        with open_to_read(metrics_file) as file:
            head = file.read(16)
    except OSError:
        return False
    return head.startswith(b"{") and not head.startswith(b'{"kind":') and len(head) == 16


def _is_other_file(path: Path) -> bool:
    # timm names its folders like tuitrain, if the images have 1024 pixels, and writes summary.csv.
    return "tfevents" in path.name or path.name == "summary.csv"


def find_id(wanted: str, ids: Collection[str], name: Callable[[str], str], kind: str) -> str | None:
    """Return `wanted` if it is an id, or the only id that begins or ends with it, or whose `name` it is. Return None if
    there is none. Raises RunError if several match; `kind` says what they are: runs or sweeps."""

    if wanted in ids:
        return wanted
    ends = (f"-{wanted}", f"/{wanted}")

    def has_part(id: str) -> bool:
        return id.startswith(wanted) or id.endswith(ends)

    def has_name(id: str) -> bool:
        with suppress(RunError):
            return name(id) == wanted
        return False

    for matches in (has_part, has_name) if wanted else ():
        matching = [id for id in ids if matches(id)]
        if len(matching) > 1:
            shown = ", ".join(plain(id) for id in matching[:5])
            raise RunError(f"{plain(wanted)!r} matches {len(matching)} {kind}: {shown}.", "Type more of the id.")
        if matching:
            return matching[0]
    return None
