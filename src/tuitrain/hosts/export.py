"""A run for other programs: its rows, or its weights, in a file of the user's."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal, get_args

from tuitrain.errors import RunError
from tuitrain.hosts.log_capture import LogCapture
from tuitrain.runs import rows_csv
from tuitrain.runs.catalog.follow import follow
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.follower import Follower
from tuitrain.runs.tensorboard import writer as events
from tuitrain.text import plain

Format = Literal["csv", "tensorboard", "safetensors", "onnx"]
FORMATS: tuple[Format, ...] = get_args(Format)
EVENTS = "events.out.tfevents.*"


def default_path(folder: RunFolder, format: Format) -> Path:
    """In the working folder."""
    name = folder.id.replace("/", "-")
    return Path(f"{name}-tensorboard" if format == "tensorboard" else f"{name}.{format}")


def export(folder: RunFolder, format: Format, path: Path, *, checkpoint: str = "last", force: bool = False) -> None:
    """Whole or not at all; `path` is a folder for tensorboard, else a file. What is there stays, unless `force` is
    given. Raises RunError and ConfigError."""
    check_destination(path, format, force=force)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name[:100]}.") as drafts:
            draft = Path(drafts) / "draft"
            _write(folder, format, draft, checkpoint)
            _put(draft, path)
    except OSError as error:
        raise RunError(f"{plain(path)} cannot be written: {error.strerror or plain(error)}.") from None


def check_destination(path: Path, format: Format, *, force: bool = False) -> None:
    """Raises RunError where `export` would."""
    if format == "tensorboard" and path.is_dir():
        strange = [other.name for other in path.iterdir() if not other.match(EVENTS)]
        if strange:
            raise RunError(f"The folder {plain(path)} holds other things: {plain(strange[0], 60)}.", "Name a new one.")
        taken = any(path.iterdir())
    elif path.is_dir():
        raise RunError(f"{plain(path)} is a folder.", "Name a file in it with -o.")
    else:
        taken = path.exists()
        if taken and format == "tensorboard":
            raise RunError(f"{plain(path)} is a file, and tensorboard needs a folder.", "Name another with -o.")
    if taken and not force:
        raise RunError(f"{plain(path)} is there already.", "Name another with -o, or replace it with --force.")


def _write(folder: RunFolder, format: Format, draft: Path, checkpoint: str) -> None:
    if format in ("csv", "tensorboard"):
        run = read_run(folder)
        if format == "csv":
            rows_csv.write(draft, run)
        else:
            draft.mkdir()
            events.write(draft / events.event_file_name(time.time()), run, run.settings)
        return
    if folder.read_only:
        raise RunError(f"{plain(folder.id)} is another tool's run: there are no weights of it.", "It has csv.")
    with LogCapture():
        from tuitrain.training import export as trained

        write: Callable[[RunFolder, str, Path], None] = (
            trained.export_weights if format == "safetensors" else trained.export_onnx
        )
        write(folder, checkpoint, draft)


def export_in_subprocess(folder: RunFolder, format: Format, path: Path) -> None:
    """As `export`, in a process of its own: loading torch would hold up the screen of this one."""
    # -P: a file of the user's that is called torch.py must not stand in for torch.
    command = [sys.executable, "-P", "-m", "tuitrain", "export", str(folder.path.absolute()), "--format", format]
    try:
        done = subprocess.run(
            [*command, "-o", str(path.absolute())], stdin=subprocess.DEVNULL, capture_output=True, text=True,
            errors="replace", start_new_session=True, check=False,
        )  # fmt: skip
    except OSError as error:
        raise RunError(f"No process can be started for the export: {error.strerror}.") from None
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["The export failed."]
        raise RunError(plain(lines[-1].removeprefix("tuitrain: ")))


def read_run(folder: RunFolder) -> Follower:
    """All of it. Raises RunError where the run is damaged."""
    run = follow(folder)
    while run.poll(1.0):
        pass
    if run.problem:
        raise RunError(f"{plain(folder.id)} is damaged: {run.problem}")
    return run


def _put(draft: Path, path: Path) -> None:
    """The draft in its place; of a folder of event files, the old ones go once the new one is there."""
    if not draft.is_dir():
        # safetensors keeps its files to their owner.
        draft.chmod(0o644)
        draft.replace(path)
        return
    old = list(path.glob(EVENTS)) if path.is_dir() else []
    path.mkdir(exist_ok=True)
    for file in draft.iterdir():
        file.replace(path / file.name)
        old = [other for other in old if other.name != file.name]
    for other in old:
        other.unlink()
