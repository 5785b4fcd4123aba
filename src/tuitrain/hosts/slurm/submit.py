"""Submit runs to Slurm."""

import time
from contextlib import suppress

from msgspec import structs

from tuitrain.config.code import pinned, sources_of
from tuitrain.config.schedule import Extension
from tuitrain.config.values import flatten
from tuitrain.hosts.launch import RunSpec, create_run
from tuitrain.hosts.resumable import check_resumable
from tuitrain.hosts.slurm import client
from tuitrain.hosts.slurm.client import Accepted, SlurmError
from tuitrain.hosts.slurm.job import retry_owned
from tuitrain.hosts.slurm.script import check_options, removed_if_refused, sbatch_options, write_script
from tuitrain.hosts.trust import code_key, config_code
from tuitrain.runs.control import Inbox
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.owner import OwnedError
from tuitrain.runs.records import State, Waiting
from tuitrain.runs.slurm import change_waiting
from tuitrain.runs.waiting import change_state, end_waiting, wait

SUBMITTING = "being submitted"
# Seconds to wait for a process that owns the run.
OWNED_SECONDS = 10.0


def submit_run(spec: RunSpec, sbatch: str = "") -> RunFolder:
    """Create a run and submit it with the options `sbatch`. Raise TuitrainError if either fails: if Slurm refuses the
    job, there is no run; if Slurm does not answer, the run has failed, because a job may exist."""
    check_options(sbatch)
    with pinned(sources_of(flatten(spec.config))):
        folder = create_run(spec)
        allowed_key = code_key(config_code(folder.config()))
    with removed_if_refused(folder.path):
        _submit(folder, ["--since", "0"], sbatch, allowed_key)
    return folder


def resubmit_run(
    folder: RunFolder,
    sbatch: str = "",
    epochs: int | None = None,
    allowed_key: str = "",
    schedule: Extension = "stretch",
) -> None:
    """Submit a run that has ended, to continue from its last checkpoint. The parameters are those of `submit_run` and
    `resume_in_background`. If Slurm refuses the job, the run keeps its state."""
    check_options(sbatch)
    folder.check_own_files()
    state = folder.state().before_waiting
    check_resumable(folder, state, epochs)
    arguments = ["--since", str(Inbox(folder).read_to)]
    arguments += ["--epochs", str(epochs), "--schedule", schedule] if epochs else []
    try:
        _submit(folder, arguments, sbatch, allowed_key, state)
    except SlurmError as error:
        if error.refused:
            change_state(folder, lambda _: state)
        raise


def _submit(
    folder: RunFolder, arguments: list[str], sbatch: str, allowed_key: str, before: State | None = None
) -> None:
    """Submit the command `work` with `arguments`; `before` is the state of a run that continues."""
    arguments = ["work", str(folder.path.absolute()), "--slurm", *arguments]
    arguments += ["--allowed", allowed_key] if allowed_key else []
    nodes = folder.config().training.nodes
    extra = (f"--nodes={nodes}", "--ntasks-per-node=1") if nodes > 1 else ()
    options = sbatch_options(folder.path, folder.log_file.name, folder.name(), sbatch, extra)
    script = write_script(folder.path, arguments)
    # Before the job exists: it may start at once, on another machine.
    record = Waiting(by="slurm", since=time.time(), reason=SUBMITTING, cluster=client.cluster_name())
    if before is not None:
        record = structs.replace(record, before=before.status, before_reason=before.reason)
    wait(folder, record)
    try:
        job = client.submit(options, script)
    except SlurmError as error:
        if not error.refused:
            end_waiting(folder, "slurm", "failed", str(error))
        raise
    _record_job(folder, job)


def _record_job(folder: RunFolder, job: Accepted) -> None:
    changes = {"cluster": job.cluster} if job.cluster else {}
    # While the job is starting or another process is looking at the run, the run has an owner.
    with suppress(OwnedError):
        retry_owned(
            lambda: change_waiting(folder, job=job.id, reason="submitted", **changes),
            lambda: folder.state().waiting is None,
            OWNED_SECONDS,
        )
