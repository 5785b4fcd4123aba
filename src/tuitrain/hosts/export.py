"""Export the metrics or the weights of a run to files of other programs."""

import subprocess
import tempfile
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Literal

from tuitrain.config.code import MODEL
from tuitrain.errors import RunError
from tuitrain.hosts.log_capture import LogCapture
from tuitrain.hosts.subprocesses import tuitrain_command
from tuitrain.hosts.trust import evaluation_code
from tuitrain.runs import rows_csv
from tuitrain.runs.catalog.follow import follow
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.follower import Follower
from tuitrain.runs.row_stream import CurveRows, FileRows, RowStream
from tuitrain.runs.tensorboard import writer as events
from tuitrain.text import plain

Format = Literal["csv", "tensorboard", "safetensors", "onnx"]
EVENT_FILES = "events.out.tfevents.*"


def default_path(folder: RunFolder, format: Format) -> Path:
    """Return the name, in the working folder, that an export has by default."""
    name = folder.id.replace("/", "-")
    return Path(f"{name}-tensorboard" if format == "tensorboard" else f"{name}.{format}")


def export(
    folder: RunFolder,
    format: Format,
    path: Path,
    *,
    checkpoint: str = "last",
    force: bool = False,
    trust: bool = False,
) -> None:
    """Export a run to `path`, a folder for tensorboard and a file otherwise, completely or not at all. Replace an
    existing export only with `force`; with `trust`, allow the code of the run's network, which the format onnx runs.
    Raise RunError, ConfigError or TrustError if the export fails."""
    check_destination(path, format, force=force)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name[:100]}.") as drafts:
            draft = Path(drafts) / "draft"
            with evaluation_code(folder, trust=trust, keys=[MODEL]) if format == "onnx" else nullcontext():
                _write(folder, format, draft, checkpoint)
            _move_into_place(draft, path)
    except OSError as error:
        raise RunError(f"{plain(path)} cannot be written: {error.strerror or plain(error)}.") from None


def check_destination(path: Path, format: Format, *, force: bool = False) -> None:
    """Raise RunError if `path` cannot take the export, or exists and `force` is not given."""
    if format == "tensorboard" and path.is_dir():
        unrelated = [file.name for file in path.iterdir() if not file.match(EVENT_FILES)]
        if unrelated:
            raise RunError(
                f"The folder {plain(path)} contains other files: {plain(unrelated[0], 60)}.",
                "Choose a new or empty folder.",
            )
        exists = any(path.iterdir())
    elif path.is_dir():
        raise RunError(f"{plain(path)} is a folder.", "Choose a file name.")
    else:
        exists = path.exists()
        if exists and format == "tensorboard":
            raise RunError(f"{plain(path)} is a file, and tensorboard needs a folder.", "Choose a folder.")
    if exists and not force:
        raise RunError(f"{plain(path)} already exists.", "Choose another name, or replace it with --force.")


def _write(folder: RunFolder, format: Format, draft: Path, checkpoint: str) -> None:
    if format in ("csv", "tensorboard"):
        run, stream = read_run(folder)
        if format == "csv":
            with draft.open("w", encoding="utf-8", newline="") as file:
                file.writelines(rows_csv.blocks(run.info, stream))
        else:
            draft.mkdir()
            events.write(draft / events.event_file_name(time.time()), run, stream, run.settings)
        return
    if folder.read_only:
        raise RunError(f"{plain(folder.id)} was trained by another tool and has no weights.", "Export it as csv.")
    with LogCapture():
        from tuitrain.training.export import export_onnx, export_weights

        export_file = export_weights if format == "safetensors" else export_onnx
        export_file(folder, checkpoint, draft)


def export_in_subprocess(folder: RunFolder, format: Format, path: Path, *, force: bool = False) -> None:
    """Run `export` in a subprocess, so that loading torch does not block the screen."""
    command = tuitrain_command("export", str(folder.path.absolute()), "--format", format, "-o", str(path.absolute()))
    command += ["--force"] * force
    try:
        completed = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            errors="replace", start_new_session=True, check=False,
        )  # fmt: skip
    except OSError as error:
        raise RunError(f"No process can be started: {error.strerror}.") from None
    if completed.returncode:
        lines = completed.stderr.strip().splitlines() or ["The export failed."]
        raise RunError(plain(lines[-1].removeprefix("tuitrain: ")))


def read_run(folder: RunFolder) -> tuple[Follower, RowStream]:
    """Return a run and a stream that reads its rows when needed. Raise RunError if the run is damaged."""
    # Event files are not ordered by step, so the follower must read them whole.
    run = follow(folder) if folder.read_only else Follower(folder, brief=True, metrics=False)
    while run.poll(1.0):
        pass
    if run.problem:
        raise RunError(f"{plain(folder.id)} is damaged: {run.problem}")
    return run, CurveRows(run) if folder.read_only else FileRows(folder)


def _move_into_place(draft: Path, path: Path) -> None:
    """Move a finished export to `path`; remove old event files only after the new one is in place."""
    if not draft.is_dir():
        # safetensors makes its files readable for their owner only.
        draft.chmod(0o644)
        draft.replace(path)
        return
    old_files = list(path.glob(EVENT_FILES)) if path.is_dir() else []
    path.mkdir(exist_ok=True)
    for file in draft.iterdir():
        file.replace(path / file.name)
        old_files = [old for old in old_files if old.name != file.name]
    for old in old_files:
        old.unlink()
