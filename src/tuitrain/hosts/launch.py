"""Making a run and training it, here in the calling thread."""

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from msgspec import Struct

from tuitrain.config.schema import Config
from tuitrain.errors import RunError
from tuitrain.hosts.log_capture import LogCapture
from tuitrain.hosts.notify import notify
from tuitrain.runs.control import Inbox
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.records import RunInfo, State
from tuitrain.runs.writer import RunWriter, create, default_name
from tuitrain.text import plain

ProgressCallback = Callable[[str, float | None], None]


class RunSpec(Struct, frozen=True, kw_only=True):
    """A run to be made; `original` is the user's TOML file, whose comments are kept, or empty; an empty `id`
    is made from the name; `parent` is the sweep that the run is a trial of."""

    config: Config
    runs_dir: Path
    name: str = ""
    original: str = ""
    command: str = ""
    id: str = ""
    tags: tuple[str, ...] = ()
    parent: str | None = None


def create_run(request: RunSpec) -> RunFolder:
    """The folder of a new run that nobody trains yet. Raises RunError."""
    info = RunInfo(
        id=request.id,
        name=request.name or default_name(request.config, request.runs_dir),
        command=request.command,
        tags=list(request.tags),
        parent=request.parent,
    )
    return create(request.runs_dir, info, request.config, request.original)


def train_new_run(request: RunSpec, progress: ProgressCallback, created: Callable[[RunFolder, Inbox], None]) -> State:
    """Prepare, make the run's folder, tell `created`, train to the end.

    Raises TuitrainError where preparing fails; then nothing is written. Once there is a folder, what goes wrong
    stands in its state.
    """
    with LogCapture() as capture:
        progress("loading torch", None)
        from tuitrain.training.run import train_run
        from tuitrain.training.setup import prepare

        setup = prepare(request.config, progress)
        folder = create_run(request)
        capture.to(folder.log_file)
        inbox = Inbox(folder)
        created(folder, inbox)
        state = train_run(folder, lambda: setup, inbox)
        notify(folder, state, request.config.notify.command)
        return state


def resume_run(folder: RunFolder, progress: ProgressCallback, inbox: Inbox, epochs: int | None = None) -> State:
    """Train a run on from its last checkpoint, or from its beginning where it has none yet; `epochs` None: as many as
    it was to have.

    Raises RunError where it has nothing left to do, or another process holds it, and where it had ended and could not
    be trained on, which then changes nothing of how it ended; all else stands in its state.
    """
    folder.refuse_links()
    state, config = folder.state(), folder.config()
    check_resumable(folder, state, epochs)
    if state.status == "queued" and state.phase == "paused":
        inbox.put("pause")
    with LogCapture() as capture:
        # Held before torch is loaded, which takes seconds: whoever started this process waits for no longer.
        writer = RunWriter(folder)
        try:
            capture.to(folder.log_file)
            writer.update(status="queued", phase="", reason="", ended=None, now=True)
        except OSError as error:
            writer.close()
            raise RunError(f"The run cannot be written: {error.strerror}.") from None
        try:
            progress("loading torch", None)
            from tuitrain.training.control import preparation_progress
            from tuitrain.training.run import train_run
            from tuitrain.training.setup import prepare
        except BaseException as error:
            if isinstance(error, (ImportError, OSError)):
                reason = f"torch cannot be loaded: {type(error).__name__}: {plain(error, 200)}"
                if writer.taken_up:
                    writer.put_back(reason)
                else:
                    writer.end(status="failed", reason=reason, ended=time.time())
            writer.close()
            raise
        state = train_run(
            folder, lambda: prepare(config, preparation_progress(writer, inbox, progress)), inbox, epochs, writer
        )
        notify(folder, state, config.notify.command)
        return state


def resume_stacked_runs(runs: Sequence[tuple[RunFolder, Inbox]], ended: Callable[[RunFolder, State], None]) -> None:
    """As `resume`, of runs that are `alike`, trained together; `ended` is told of each. Raises RunError where one
    of them has nothing left to do, or another process holds it; then none is begun. And after their ends where one of
    them could not be trained on."""
    with ExitStack() as held:
        writers = []
        for folder, inbox in runs:
            folder.refuse_links()
            state = folder.state()
            check_resumable(folder, state, None)
            if state.status == "queued" and state.phase == "paused":
                inbox.put("pause")
            writer = RunWriter(folder)
            held.callback(writer.close)
            writers.append((writer, inbox))

        def tell(folder: RunFolder, state: State) -> None:
            notify(folder, state, folder.config().notify.command)
            ended(folder, state)

        from tuitrain.training.stacking.loop import together

        together(writers, tell).run()


def check_resumable(folder: RunFolder, state: State, epochs: int | None) -> None:
    """Raises RunError where there is nothing to train, or nothing to go on from."""
    if epochs is None and state.status == "finished":
        raise RunError(
            f"The run has finished, after {state.epoch} epochs.",
            f"Give it more: --epochs +5, or --epochs {state.epoch + 5}.",
        )
    if epochs is not None and epochs <= state.epoch:
        raise RunError(f"epochs = {epochs} is not allowed: the run has done {state.epoch}, it must be more.")
    check_checkpoint(folder, state)


def check_checkpoint(folder: RunFolder, state: State) -> None:
    """Raises RunError where the run has trained, and there is nothing to go on from."""
    # The first one is saved before the first step.
    if (state.epoch or state.step) and not _is_there(folder.checkpoints / "last.safetensors"):
        raise RunError(
            f"The run has trained {state.step:,} steps, and its checkpoint checkpoints/last.safetensors is gone.",
            f"Train its settings anew: tuitrain train -c {plain(folder.config_file, 1000)}",
        )


def _is_there(path: Path) -> bool:
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        # Loading it will say why.
        return True
    return True
