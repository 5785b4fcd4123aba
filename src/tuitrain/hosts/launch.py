"""Create runs, and train or resume them in the calling thread."""

import errno
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from tuitrain.config.code import COMMAND, Code, pinned, sources_of
from tuitrain.config.data.datasets import data_folder
from tuitrain.config.devices import is_distributed
from tuitrain.config.schedule import Extension
from tuitrain.config.schema import Config
from tuitrain.config.values import flatten
from tuitrain.errors import DataError, RunError
from tuitrain.hosts.distributed.lead import train_on_devices
from tuitrain.hosts.log_capture import LogCapture
from tuitrain.hosts.notify import notify
from tuitrain.hosts.paths import with_absolute_paths
from tuitrain.hosts.resources import WorkerResources
from tuitrain.hosts.resumable import check_resumable, has_checkpoint
from tuitrain.hosts.trust import allowed_code, code_lines, config_code, remember, run_origin, split_code
from tuitrain.runs.control import Inbox
from tuitrain.runs.folder import RunFolder, shown_status
from tuitrain.runs.records import ACTIVE, RunInfo, State
from tuitrain.runs.waiting import check_startable
from tuitrain.runs.writer import RunWriter, create, default_name, log_line
from tuitrain.text import plain

if TYPE_CHECKING:
    from tuitrain.training.setup import Setup

# Seconds between two looks at the run that another one waits for.
WAIT_INTERVAL = 0.5

ProgressCallback = Callable[[str, float | None], None]


class RunSpec(Struct, frozen=True, kw_only=True):
    """A run to create. The user has typed or allowed its code: see `hosts.trust`.

    `original` is the text of the user's TOML file, whose comments `config.toml` keeps. An empty `name` or `id` is
    generated. `parent` is the id of the sweep that the run belongs to.
    """

    config: Config
    runs_dir: Path
    name: str = ""
    original: str = ""
    command: str = ""
    id: str = ""
    tags: tuple[str, ...] = ()
    parent: str | None = None


def create_run(spec: RunSpec) -> RunFolder:
    """Create the folder of a run that is not trained yet, and allow its code. Raise RunError if it cannot be written.

    The folder has absolute paths and copies of the user's files, so that the run can be resumed from any folder.
    """
    config = with_absolute_paths(spec.config, spec.runs_dir)
    info = RunInfo(
        id=spec.id,
        name=spec.name or default_name(spec.config, spec.runs_dir),
        command=spec.command,
        tags=list(spec.tags),
        parent=spec.parent,
    )
    sources = sources_of(flatten(config))
    folder = create(spec.runs_dir, info, config, spec.original, sources)
    with pinned(sources):
        problem = remember(run_origin(folder), config_code(config))
    if problem:
        with suppress(OSError), folder.log_file.open("a", encoding="utf-8") as log:
            log.write(log_line(f"resuming the run will need --trust, because {problem}"))
    return folder


def _check_runs_dir(runs_dir: Path) -> None:
    """Raise RunError if the folder of a new run cannot be created. `create_run` would find out only after the data has
    been read, which may take hours."""
    existing = os.path.abspath(runs_dir)  # noqa: PTH100
    while not os.path.exists(existing):  # noqa: PTH110 (Path raises in a folder that cannot be searched)
        existing = os.path.dirname(existing)  # noqa: PTH120
    if os.access(existing, os.W_OK | os.X_OK) and os.path.isdir(existing):  # noqa: PTH112
        return
    read_only = os.statvfs(existing).f_flag & os.ST_RDONLY
    number = errno.EROFS if read_only else errno.EACCES if os.path.isdir(existing) else errno.ENOTDIR  # noqa: PTH112
    reason = f"Cannot create a run in {plain(runs_dir)}: {os.strerror(number)}."
    raise RunError(reason, "Choose another folder with --runs-dir.")


def train_new_run(spec: RunSpec, progress: ProgressCallback, on_created: Callable[[RunFolder, Inbox], None]) -> State:
    """Build data, model and optimizer, create the run, call `on_created` and train to the end.

    Raise TuitrainError if data, model or optimizer cannot be built; then no folder is created. The state of the run
    records all later failures.
    """
    _check_runs_dir(spec.runs_dir)
    with LogCapture() as capture, pinned(sources_of(flatten(spec.config))):
        _print_code(config_code(spec.config))
        progress("loading torch", None)
        from tuitrain.training.run import train_run
        from tuitrain.training.setup import prepare

        setup = prepare(with_absolute_paths(spec.config, spec.runs_dir), progress)
        folder = create_run(spec)
        capture.redirect_to(folder.log_file)
        inbox = Inbox(folder)
        on_created(folder, inbox)
        state = train_run(folder, lambda: setup, inbox)
        notify(folder, state, spec.config.notify.command)
        return state


def resume_run(
    folder: RunFolder,
    progress: ProgressCallback,
    inbox: Inbox,
    epochs: int | None = None,
    after: RunFolder | None = None,
    allowed_key: str = "",
    schedule: Extension = "stretch",
    slots: Sequence[str] = (),
    resources: WorkerResources | None = None,
) -> State:
    """Train a run from its last checkpoint, or from the start if it has none, to the end.

    `epochs` is the new total, None for the present one, and `schedule` says how the learning-rate schedule continues.
    With `after`, wait until that run has ended. `allowed_key` is the `code_key` of code that the user has allowed. With
    `slots`, the queue starts the run there, unless it no longer waits. `resources` are those of this process.

    Raise TrustError if the user has not allowed a file of its code; do not run a command that the user has not allowed.
    Raise RunError if nothing is left to train, or if another process owns the run. Raise it also if a run that had
    already ended cannot be prepared, and keep that end. The state of the run records all other failures.
    """
    folder.check_own_files()
    state, config = folder.state(), folder.config()
    if resources is not None:
        config = resources.apply(config)
    _check_and_keep_paused(folder, state, inbox, epochs)
    with (
        allowed_code(folder, config, allowed_key) as (allowed, refused),
        LogCapture() as capture,
        closing(RunWriter(folder)) as writer,
    ):
        if slots:
            check_startable(folder, writer.waiting)
            writer.log(f"started by the queue in the slot {', '.join(slots)}", detail=True)
        # The process that started this one waits until the run has an owner; loading torch takes seconds.
        _announce(writer, capture)
        _print_code(allowed, refused)
        if after is not None:
            with _failure_recorded(writer, "The run cannot wait"):
                _wait_for_end(after, writer, inbox, progress)
        state = _train(config, writer, inbox, progress, epochs, schedule, allowed_key)
        notify(folder, state, _command(allowed))
        return state


def _train(
    config: Config,
    writer: RunWriter,
    inbox: Inbox,
    progress: ProgressCallback,
    epochs: int | None,
    schedule: Extension,
    allowed_key: str,
) -> State:
    """Train a run that this process owns, on one or several devices; the parameters are those of `resume_run`."""
    with _failure_recorded(writer, "torch cannot be loaded"):
        progress("loading torch", None)
        from tuitrain.training.run import train_run

    if is_distributed(config):
        return train_on_devices(config, writer, inbox, epochs, schedule, allowed_key)
    prepare = partial(obey_and_prepare, config, writer, inbox, progress)
    return train_run(writer.folder, prepare, inbox, epochs, writer, schedule)


def obey_and_prepare(
    config: Config, writer: RunWriter, inbox: Inbox, progress: ProgressCallback = lambda *_: None
) -> "Setup":
    """Build what an existing run trains; raise Stopped or Detached on such a command."""
    from tuitrain.training.control import preparation_progress
    from tuitrain.training.setup import prepare

    progress = preparation_progress(writer, inbox, progress)
    progress("preparing", None)  # The command may have arrived earlier.
    folder = writer.folder
    with _hint_if_images_moved(folder, config.data.dir):
        return prepare(config, progress, before=folder.info(), has_checkpoint=has_checkpoint(folder))


@contextmanager
def _hint_if_images_moved(folder: RunFolder, data_dir: str | None) -> Iterator[None]:
    """Add the command that sets a new `data.dir` to a DataError if the present one does not exist."""
    try:
        yield
    except DataError as error:
        if data_dir and not data_folder(data_dir).exists():
            error.hint = f"If it moved: tuitrain resume {plain(folder.id)} --set data.dir=FOLDER"
        raise


def _print_code(allowed: Sequence[Code], refused: Sequence[Code] = ()) -> None:
    """Print the code of the run to its log before any of it runs. The command line prints it on the terminal."""
    for line in code_lines(allowed, refused):
        print(log_line(line, detail=True), end="", flush=True)  # noqa: T201


def _command(allowed: Sequence[Code]) -> str | None:
    return next((code.value for code in allowed if code.key == COMMAND), None)


def notify_end(folder: RunFolder, state: State, allowed_key: str = "") -> None:
    """Run the command of a run that has ended without training, if the user has allowed it; see `resume_run`."""
    with allowed_code(folder, folder.config(), allowed_key) as (allowed, _):
        notify(folder, state, _command(allowed))


def _wait_for_end(other: RunFolder, writer: RunWriter, inbox: Inbox, progress: ProgressCallback) -> None:
    """Wait until another run has ended or its folder is gone. Return early on a stop or detach command and leave it in
    `inbox`: `train_run` obeys it. torch is not loaded yet, so a waiting process takes little memory."""
    with suppress(RunError):
        activity = f"waiting for {plain(other.info().name, 40)}"
        while shown_status(other.state()) in ACTIVE and not inbox.leaving():
            progress(activity, None)
            writer.update(phase=activity)
            time.sleep(WAIT_INTERVAL)
    writer.update(phase="", now=True)


def _check_and_keep_paused(folder: RunFolder, state: State, inbox: Inbox, epochs: int | None) -> None:
    check_resumable(folder, state, epochs)
    if state.status == "queued" and state.phase == "paused":
        inbox.put("pause")


def _announce(writer: RunWriter, capture: LogCapture) -> None:
    """Start the log, and write the state that says which process trains the run."""
    try:
        capture.redirect_to(writer.folder.log_file)
        writer.update(status="queued", phase="", reason="", ended=None, now=True)
    except OSError as error:
        raise RunError(f"The run cannot be written: {error.strerror}.") from None


@contextmanager
def _failure_recorded(writer: RunWriter, problem: str) -> Iterator[None]:
    """Record an ImportError or OSError as the end of the run, with `problem` as the reason."""
    try:
        yield
    except (ImportError, OSError) as error:
        reason = f"{problem}: {type(error).__name__}: {plain(error, 200)}"
        if writer.resumed:
            writer.restore_state(reason)
        else:
            writer.end(status="failed", reason=reason, ended=writer.now())
        raise


def resume_stacked_runs(
    runs: Sequence[tuple[RunFolder, Inbox]],
    on_end: Callable[[RunFolder, State], None],
    allowed_keys: Sequence[str] = (),
) -> None:
    """Train runs with an equal `stacking_key` at once; call `on_end` when each of them ends. `allowed_keys` holds the
    `allowed_key` of each run, as in `resume_run`.

    Raise RunError if one of them has nothing left to train or is owned by another process; then none starts. Raise it
    after all have ended if one that had already ended could not be resumed.
    """
    with ExitStack() as owned:
        writers, commands = [], {}
        for (folder, inbox), key in zip(runs, allowed_keys or [""] * len(runs), strict=True):
            folder.check_own_files()
            allowed, refused = split_code(folder, folder.config(), key)
            commands[folder.path] = _command(allowed)
            _check_and_keep_paused(folder, folder.state(), inbox, None)
            writer = RunWriter(folder)
            owned.callback(writer.close)
            for line in code_lines(allowed, refused):
                writer.log(line, detail=True)
            writers.append((writer, inbox))

        def notify_and_report(folder: RunFolder, state: State) -> None:
            notify(folder, state, commands[folder.path])
            on_end(folder, state)

        from tuitrain.training.stacking.loop import group_training

        group_training(writers, notify_and_report).run()
