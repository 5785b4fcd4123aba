"""The script of a Slurm job, and the options of sbatch."""

import os
import shlex
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tuitrain.config import preferences
from tuitrain.errors import ConfigError, RunError
from tuitrain.files import replace
from tuitrain.hosts.slurm.client import SlurmError, has_slurm
from tuitrain.hosts.subprocesses import tuitrain_command
from tuitrain.text import plain

SCRIPT = "job.sh"
# Seconds before the time limit at which Slurm asks the job to save and requeue. Slurm may be a minute early.
WARNING = 120
_TEXT = f"""\
#!/bin/sh
# tuitrain wrote this script for one job; submit another one with: tuitrain submit --resume RUN
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --signal=B:USR1@{WARNING}
# Until Python handles the signal, it must not end the job.
trap '' USR1
# Slurm signals the process of this script: Python takes its place. On several nodes, it calls srun itself.
exec """


def write_script(folder: Path, arguments: list[str]) -> Path:
    """Write the script that runs `tuitrain` with `arguments` in this Python environment. Raise RunError."""
    path = folder.absolute() / SCRIPT
    try:
        replace(path, os.fsencode(f"{_TEXT}{shlex.join(tuitrain_command(*arguments))}\n"))
    except OSError as error:
        raise RunError(f"{plain(path)} cannot be written: {error.strerror}.") from None
    return path


def check_options(sbatch: str) -> None:
    """Raise TuitrainError if this machine has no Slurm or the options cannot be understood."""
    user_options(sbatch)
    if not has_slurm():
        raise SlurmError("sbatch is not on this machine.", "Submit from a login node of a Slurm cluster.")


@contextmanager
def removed_if_refused(folder: Path) -> Iterator[None]:
    """Remove the folder of a new run or sweep if Slurm refuses its job."""
    try:
        yield
    except SlurmError as error:
        if error.refused:
            shutil.rmtree(folder, ignore_errors=True)
        raise


def sbatch_options(folder: Path, output: str, name: str, text: str, extra: tuple[str, ...] = ()) -> list[str]:
    """Return the options of sbatch for a job whose output goes to `folder / output`, where Slurm replaces patterns. The
    user's preferences come before `text`, and `extra` applies last. Raise ConfigError if they cannot be split like a
    shell command."""
    return [f"--output={_output(folder, output)}", f"--job-name={plain(name, 60)}", *user_options(text), *extra]


def user_options(text: str) -> list[str]:
    """Return the options of the user's preferences, then those in `text`. Raise ConfigError if either is no list."""
    stored = preferences.load().sbatch
    return [*split_options(stored, "The preference sbatch"), *split_options(text)]


def split_options(text: str, name: str = "--sbatch") -> list[str]:
    """Split options like a shell command. Raise ConfigError, which calls the text `name`, if that is not possible."""
    hint = 'Write them as for sbatch: "--partition=gpu --time=4:00:00".'
    try:
        options = shlex.split(text)
    except ValueError as error:
        raise ConfigError(f"{name} = {plain(text, 100)!r} is not a list of options: {error}.", hint) from None
    if options and not options[0].startswith("-"):
        raise ConfigError(f"{name} = {plain(text, 100)!r} is not a list of options.", hint)
    return options


def _output(folder: Path, name: str) -> str:
    # Slurm replaces patterns such as %j, also in folders, and cannot open a path with a backslash: the log then begins
    # when tuitrain opens it.
    path = str(folder.absolute())
    return "/dev/null" if "\\" in path else f"{path.replace('%', '%%')}/{name}"
