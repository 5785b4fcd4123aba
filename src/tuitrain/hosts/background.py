"""Train runs in background processes, which survive the terminal."""

from tuitrain.config.code import pinned, sources_of
from tuitrain.config.schedule import Extension
from tuitrain.config.values import flatten
from tuitrain.errors import RunError
from tuitrain.hosts.launch import RunSpec, create_run
from tuitrain.hosts.subprocesses import start_background_process
from tuitrain.hosts.trust import code_key, config_code
from tuitrain.runs.control import Inbox
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.writer import RunWriter


def start_in_background(spec: RunSpec, after: RunFolder | None = None) -> RunFolder:
    """Create a run and train it in a background process, if `after` is given when that run has ended. Raise RunError if
    either fails."""
    with pinned(sources_of(flatten(spec.config))):
        folder = create_run(spec)
        allowed_key = code_key(config_code(folder.config()))
    resume_in_background(folder, since=0, after=after, allowed_key=allowed_key)
    return folder


def resume_in_background(
    folder: RunFolder,
    epochs: int | None = None,
    since: int | None = None,
    after: RunFolder | None = None,
    allowed_key: str = "",
    schedule: Extension = "stretch",
) -> None:
    """Train or resume a run in a background process; return when that process owns the run.

    `since` is the offset in the control file from which the process reads commands; None: its present end. The other
    parameters are those of `resume_run`. Raise RunError if the process cannot be started, or ends without training the
    run.
    """
    folder.check_own_files()
    arguments = ["work", str(folder.path.absolute())]
    arguments += ["--epochs", str(epochs)] if epochs else []
    arguments += ["--schedule", schedule] if epochs else []
    arguments += ["--since", str(Inbox(folder).read_to if since is None else since)]
    arguments += ["--allowed", allowed_key] if allowed_key else []
    arguments += ["--after", str(after.path.absolute())] if after is not None else []
    try:
        start_background_process(arguments, folder.log_file, "run", lambda pid: owned_by(folder, pid))
    except RunError as error:
        raise record_failure(folder, error.message) from None


def owned_by(folder: RunFolder, pid: int) -> bool:
    """Return whether process `pid` trains the run, or was the last to train it."""
    owner = folder.state().process
    return owner is not None and owner.pid == pid


def record_failure(folder: RunFolder, reason: str) -> RunError:
    """Mark a run that is still queued as failed, unless it had begun before; return the error to raise. Raise RunError
    if the run has an owner or cannot be written."""
    writer = RunWriter(folder)
    try:
        if writer.state.status == "queued":
            writer.event("failed", reason)
            writer.end(status="failed", reason=reason, phase="", ended=writer.now())
        elif writer.waiting is not None:
            writer.restore_state(reason)
    except OSError as error:
        raise RunError(f"{reason} The run cannot be written: {error.strerror}.") from None
    finally:
        writer.close()
    return RunError(reason)
