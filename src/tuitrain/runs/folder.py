"""The files of one run, and reading them."""

import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from tuitrain.config.schema import Config
from tuitrain.config.toml import loads
from tuitrain.errors import ConfigError, RunError
from tuitrain.runs.files import read, read_json, replace
from tuitrain.runs.process import alive
from tuitrain.runs.records import FORMAT, Evaluation, RunInfo, ShownStatus, State
from tuitrain.text import plain

Stamp = tuple[tuple[int, ...], ...]
_ID = re.compile(r"\d{8}-\d{6}-.*[0-9a-f]{4}$")


def slug(text: str) -> str:
    """`text` as a part of a file's name: lower case, digits, dashes; at most 40 characters, perhaps none."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:40].rstrip("-")


def new_id(name: str, now: float | None = None) -> str:
    stamp = time.strftime("%Y%m%d-%H%M%S", time.localtime(now))
    return "-".join(part for part in (stamp, slug(name), os.urandom(2).hex()) if part)


class _Inside:
    """A path in the folder, made when it is asked for: a list of thousands of runs needs few of them."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, folder: "RunFolder", owner: type) -> Path:
        return folder.path / self._name


class RunFolder:
    """Paths and contents of one run's folder; every read raises RunError with a reason where it must fail."""

    config_file = _Inside("config.toml")
    info_file = _Inside("run.json")
    state_file = _Inside("state.json")
    metrics_file = _Inside("metrics.jsonl")
    control_file = _Inside("control.jsonl")
    log_file = _Inside("log.txt")
    evaluations = _Inside("evaluation")
    checkpoints = _Inside("checkpoints")
    # Whether another tool wrote the run, see `refuse_foreign`.
    read_only = False

    def __init__(self, path: Path) -> None:
        self.path = path
        self.id = path.name

    def name(self) -> str:
        """Raises RunError."""
        return self.info().name

    def stamp(self) -> Stamp:
        """Another value whenever what a list of runs shows may have changed."""
        stamps = []
        for name in ("state.json", "run.json", "config.toml"):
            try:
                stat = os.stat(f"{self.path}/{name}")  # noqa: PTH116
                stamps.append((stat.st_ctime_ns, stat.st_ino, stat.st_size))
            except OSError:
                stamps.append((0, 0, 0))
        return tuple(stamps)

    def advance(self, seconds: float) -> bool:  # noqa: ARG002
        """Read ahead for about so long what takes time to read; whether all of it is read."""
        return True

    def forget(self) -> None:
        """What was read ahead."""

    def refuse_foreign(self) -> None:
        """Raises RunError where another tool wrote the run, which then is only read."""

    def info(self) -> RunInfo:
        info = read_json(self.info_file, RunInfo)
        if info.format != FORMAT:
            raise RunError(f"run.json has format {info.format}; this tuitrain reads format {FORMAT}.")
        return info

    def state(self) -> State:
        return read_json(self.state_file, State)

    def config(self) -> Config:
        return parse_config(read(self.config_file))

    def refuse_links(self) -> None:
        """Raises RunError where a file that grows is a link: what is written to a run stays in its folder, whoever made
        the folder. And where it is another tool's."""
        self.refuse_foreign()
        for path in (self.metrics_file, self.control_file, self.log_file):
            if path.is_symlink():
                raise RunError(f"{path.name} is a link, and a run writes only into its own folder.")

    def evaluation(self, split: str, checkpoint: str = "last") -> Evaluation | None:
        """None where that was not evaluated. What is returned is square, and speaks only of classes that it names."""
        path = self._evaluation_file(split, checkpoint)
        if not os.path.lexists(path):
            return None
        evaluation = read_json(path, Evaluation)
        known = range(len(evaluation.classes))
        if {len(evaluation.confusion), *map(len, evaluation.confusion)} != {len(known)} or any(
            sample.true not in known or sample.predicted not in known for sample in evaluation.worst
        ):
            raise RunError(f"{path.name} is damaged: its classes and its counts do not fit.")
        return evaluation

    def write_evaluation(self, evaluation: Evaluation) -> None:
        self.evaluations.mkdir(exist_ok=True)
        replace(self._evaluation_file(evaluation.split, evaluation.checkpoint), msgspec.json.encode(evaluation))

    def _evaluation_file(self, split: str, checkpoint: str) -> Path:
        return self.evaluations / (f"{split}.json" if checkpoint == "last" else f"{split}-{checkpoint}.json")


def parse_config(content: bytes) -> Config:
    """What a run's config.toml says. Raises RunError."""
    try:
        return loads(content.decode(), "config.toml")
    except (ConfigError, UnicodeDecodeError) as error:
        raise RunError(f"config.toml is damaged: {plain(error, 160)}") from None


def shown_status(state: State) -> ShownStatus:
    """The state's status; `interrupted` where it says that the run goes on and its process is gone."""
    if state.active and not alive(state.process, state.heartbeat):
        return "interrupted"
    return state.status


def folders(runs_dir: Path) -> Iterator[RunFolder]:
    """The run folders below `runs_dir`, newest first by name; folders that hold nothing of a run are passed over."""
    try:
        with os.scandir(runs_dir) as found:
            inside = sorted(found, key=lambda one: one.name, reverse=True)
    except FileNotFoundError:
        return
    except OSError as error:
        raise RunError(f"The runs folder {plain(runs_dir)} cannot be read: {error.strerror}.") from None
    for one in inside:
        if not one.name.startswith(".") and not one.is_symlink() and holds_a_run(path := runs_dir / one.name):
            yield RunFolder(path)


def holds_a_run(path: Path) -> bool:
    """Whether anything of a run is in it, or at least its name is a run's and no other tool's files are in it."""
    if any(os.path.lexists(f"{path}/{name}") for name in ("run.json", "state.json", "config.toml", "metrics.jsonl")):
        return True
    try:
        return bool(_ID.match(path.name)) and not any("tfevents" in file.name for file in path.iterdir())
    except OSError:
        return True
