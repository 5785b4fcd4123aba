"""Export the metrics or the network of a run to files of other programs."""

import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from tuitrain.config.exports import Format as Format
from tuitrain.config.exports import Values
from tuitrain.errors import RunError
from tuitrain.hosts import export_network
from tuitrain.hosts.export_files import Files, check_free, nearest_folder
from tuitrain.hosts.subprocesses import tuitrain_command
from tuitrain.output_file import FORCE, check_output_file, not_written
from tuitrain.runs import rows_csv
from tuitrain.runs.catalog.follow import follow
from tuitrain.runs.external.tensorboard import writer as events
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.follower import Follower
from tuitrain.runs.row_stream import CurveRows, FileRows, RowStream
from tuitrain.text import plain

EVENT_FILES = "events.out.tfevents.*"


class Exported(NamedTuple):
    """The files of an export, and a sentence about the check of its network; empty for metrics."""

    files: list[Path]
    check: str = ""


def default_path(folder: RunFolder, format: Format, *, as_folder: bool = False) -> Path:
    """Return the name, in the working folder, that an export has by default."""
    name = folder.id.replace("/", "-")
    if as_folder:
        return Path(f"{name}-{format}")
    return Path(f"{name}-tensorboard" if format == "tensorboard" else f"{name}{export_network.suffix(format)}")


def export(
    folder: RunFolder,
    format: Format,
    path: Path,
    *,
    checkpoint: str = "last",
    force: bool = False,
    trust: bool = False,
    as_folder: bool = False,
    card: bool = False,
    values: Values = "normalized",
) -> Exported:
    """Export a run to `path`, completely or not at all. The format tensorboard writes a folder; the others write a file
    or, with `as_folder` and for an existing folder, the files of a network and its model card. `card` adds the card to
    a file. `values` are those of the network's input. Replace an existing export only with `force`; with `trust`, allow
    the code of the run. Raise RunError, ConfigError or TrustError if the export fails."""
    check_destination(path, format, force=force, as_folder=as_folder, card=card)
    if format != "csv" and format != "tensorboard":
        files = _files(path, format, as_folder=as_folder, card=card)
        options = export_network.Options(checkpoint, values, force=force, trust=trust)
        return Exported(*export_network.export(folder, format, files, options))
    if card or values != "normalized":
        raise RunError(f"{format} exports metrics.", "Choose onnx, torch-export or safetensors for --card and --input.")
    try:
        parent = nearest_folder(path.parent)
        with tempfile.TemporaryDirectory(dir=parent, prefix=f".{path.name[:100]}.") as drafts:
            draft = Path(drafts) / "draft"
            _write(folder, format, draft)
            path.parent.mkdir(parents=True, exist_ok=True)
            _move_into_place(draft, path)
    except OSError as error:
        raise not_written(path, error) from None
    return Exported([path])


def check_destination(
    path: Path, format: Format, *, force: bool = False, as_folder: bool = False, card: bool = False
) -> None:
    """Raise RunError if `path` cannot take the export, or exists and `force` is not given."""
    if format not in ("csv", "tensorboard"):
        check_free(_files(path, format, as_folder=as_folder, card=card), force=force)
        return
    if format == "csv":
        if as_folder:
            raise RunError(f"{plain(path)} is a folder.", "Choose a file name.")
        check_output_file(path, force=force)
    elif path.is_dir():
        names = [file.name for file in path.iterdir()]
        if unrelated := [name for name in names if not Path(name).match(EVENT_FILES)]:
            raise RunError(
                f"The folder {plain(path)} contains other files: {plain(unrelated[0], 60)}.",
                "Choose a new or empty folder.",
            )
        if names and not force:
            raise RunError(f"{plain(path)} already exists.", FORCE)
    elif path.exists():
        raise RunError(f"{plain(path)} is a file, and tensorboard needs a folder.", "Choose a folder.")


def _files(path: Path, format: Format, *, as_folder: bool, card: bool) -> Files:
    return Files.of(path, export_network.suffix(format), as_folder=as_folder or path.is_dir(), card=card)


def _write(folder: RunFolder, format: Format, draft: Path) -> None:
    run, stream = read_run(folder)
    if format == "csv":
        with draft.open("w", encoding="utf-8", newline="") as file:
            file.writelines(rows_csv.blocks(run.info, stream))
    else:
        draft.mkdir()
        events.write(draft / events.event_file_name(time.time()), run, stream, run.settings)


def export_in_subprocess(
    folder: RunFolder, format: Format, path: Path, *, force: bool = False, as_folder: bool = False
) -> str:
    """Run `export` in a subprocess, so that loading torch does not block the screen; return its sentence about the
    check."""
    target = f"{path.absolute()}/" if as_folder else str(path.absolute())
    command = tuitrain_command("export", str(folder.path.absolute()), "--format", format, "-o", target, "--json")
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
    try:
        document: dict[str, Any] = msgspec.json.decode(completed.stdout, type=dict)
    except msgspec.DecodeError:
        return ""
    return str(document.get("check") or "")


def read_run(folder: RunFolder) -> tuple[Follower, RowStream]:
    """Return a run and a stream that reads its rows when needed. Raise RunError if the run is damaged."""
    # Event files are not ordered by step, so the follower must read them whole.
    run = follow(folder) if folder.read_only else Follower(folder, brief=True, metrics=False)
    run.read_all()
    if run.problem:
        raise RunError(f"{plain(folder.id)} is damaged: {run.problem}")
    return run, CurveRows(run) if folder.read_only else FileRows(folder)


def _move_into_place(draft: Path, path: Path) -> None:
    """Move a finished export to `path`; remove old event files only after the new one is in place."""
    if not draft.is_dir():
        draft.replace(path)
        return
    old_files = list(path.glob(EVENT_FILES)) if path.is_dir() else []
    path.mkdir(exist_ok=True)
    for file in draft.iterdir():
        file.replace(path / file.name)
        old_files = [old for old in old_files if old.name != file.name]
    for old in old_files:
        old.unlink()
