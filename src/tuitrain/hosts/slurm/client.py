"""Call Slurm's commands, and read their answers."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from msgspec import Struct

from tuitrain.errors import RunError
from tuitrain.text import plain

# Seconds that a command may take. Slurm's own limit for an answer of its controller is 10 s by default.
TIMEOUT, SUBMIT_TIMEOUT = 12.0, 60.0
# Job ids as squeue prints them: 12, and 12_3 or 12_[0-3] for tasks of an array.
JOB_ID = re.compile(r"\d+(_[\d\[\],%-]+)?", re.ASCII)
# Ids that sacct accepts: for any other text it would refuse the whole question.
_ACCOUNTED = re.compile(r"\d{1,9}(_\d{1,9})?", re.ASCII)
# The states of a job that Slurm neither runs nor starts again, as squeue and sacct print them.
ENDED = (
    "BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED", "REVOKED",
    "TIMEOUT",
)  # fmt: skip
_TIME = re.compile(r"(?:(\d+)-)?(?:(\d+):)?(\d+):(\d+)")


class SlurmError(RunError):
    """A command of Slurm failed. `refused` is False if Slurm did not answer, so that a job may exist all the same."""

    refused = True


class Accepted(Struct, frozen=True):
    """A job that Slurm has accepted; `cluster` is empty if Slurm does not name it."""

    id: str
    cluster: str = ""


class Listed(Struct, frozen=True):
    """A job in Slurm's list; `id` is that of an array's task. `start` and `end` are past or expected times as Slurm
    prints them, empty if unknown."""

    id: str
    state: str
    reason: str
    start: str = ""
    node: str = ""
    end: str = ""

    @property
    def array(self) -> str:
        """The id of the job without that of the task."""
        return self.id.partition("_")[0]


def has_slurm() -> bool:
    """Return whether jobs can be submitted from this machine."""
    return shutil.which("sbatch") is not None


def call(program: str, *arguments: str, timeout: float = TIMEOUT, folder: Path | None = None) -> str:
    """Run a command of Slurm in `folder` and return its output. Raise SlurmError with its own message if it fails."""
    # The user's variables for squeue would hide jobs or change times; messages and times are read in plain form.
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("SQUEUE_", "SLURM_TIME_"))}
    try:
        done = subprocess.run(
            [program, *arguments], stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout, check=False,
            cwd=folder, env=environment | {"LC_ALL": "C"}, encoding="utf-8", errors="replace",
        )  # fmt: skip
    except FileNotFoundError:
        raise SlurmError(f"{program} is not on this machine.", "Use a login node of the Slurm cluster.") from None
    except (OSError, ValueError) as error:
        raise SlurmError(f"{program} cannot be started: {plain(error)}.") from None
    except subprocess.TimeoutExpired:
        late = SlurmError(f"{program} did not answer within {timeout:g} s.")
        late.refused = False
        raise late from None
    if done.returncode:
        raise SlurmError(f"{program} failed: {_message(program, done)}")
    return done.stdout


def _message(program: str, done: "subprocess.CompletedProcess[str]") -> str:
    """Return what a command printed, on one line and without the prefixes such as `sbatch: error: `."""
    lines = (done.stderr or done.stdout).splitlines()
    texts = [re.sub(rf"^{re.escape(program)}: (error: )?", "", line.strip()) for line in lines]
    text = plain("; ".join(text for text in texts if text) or f"status {done.returncode}", 300)
    return text if text.endswith(".") else f"{text}."


def submit(options: list[str], script: Path) -> Accepted:
    """Submit `script` with the folder that contains it as the working folder."""
    answer = call("sbatch", "--parsable", *options, str(script), timeout=SUBMIT_TIMEOUT, folder=script.parent)
    # A plug-in of the site may print lines of its own.
    for line in reversed(answer.splitlines()):
        if found := re.fullmatch(r"(\d+)(?:;(\S+))?", line.strip()):
            return Accepted(found[1], found[2] or "")
    odd = SlurmError(f"sbatch answered {plain(answer.strip(), 100)!r}, which is no job number.", "See: squeue --me")
    odd.refused = False
    raise odd


def my_jobs() -> list[Listed]:
    """Return the jobs of this user, with those that ended in the last minutes, as Slurm remembers them."""
    # No field that users name, such as the job's name or folder: it could contain a line break.
    form = "--format=%i|%T|%r|%S|%B|%e"
    answer = call("squeue", f"--user={os.getuid()}", "--states=all", "--noheader", form)
    rows = (line.strip().split("|") for line in answer.splitlines())
    return [
        Listed(row[0], plain(row[1], 60), plain(row[2], 60), *(_known(plain(text, 60)) for text in row[3:]))
        for row in rows
        if len(row) == 6 and JOB_ID.fullmatch(row[0])
    ]


def _known(text: str) -> str:
    return "" if text in ("N/A", "n/a", "(null)", "None", "Unknown") else text


def accounted_states(jobs: Iterable[str]) -> dict[str, str]:
    """Return the state of each job that Slurm's accounting knows, such as `CANCELLED by 1000`; none if the cluster has
    no accounting. Raise SlurmError if accounting does not answer."""
    asked = sorted({job for job in jobs if _ACCOUNTED.fullmatch(job)})
    if not asked:
        return {}
    options = ("--allocations", "--noheader", "--parsable2", "--format=JobID,State")
    try:
        answer = call("sacct", *options, f"--jobs={','.join(asked)}")
    except SlurmError as error:
        if "accounting storage is disabled" in error.message:
            return {}
        raise
    states: dict[str, str] = {}
    for line in answer.splitlines():
        id, _, state = line.partition("|")
        states.setdefault(id.strip(), plain(state.strip(), 60))
    return states


def seconds_left(job: str) -> float | None:
    """Return the seconds until the time limit of a running job; None if it has none, or if Slurm does not say."""
    try:
        answer = call("squeue", f"--jobs={job}", "--noheader", "--format=%L").strip()
    except SlurmError:
        return None
    return parse_duration(answer)


def parse_duration(text: str) -> float | None:
    """Return the seconds of a time such as `1-02:03:04` or `03:04`; None for any other text, such as UNLIMITED."""
    if not (found := _TIME.fullmatch(text)):
        return None
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    # Without a limit, Slurm counts down from a year.
    return float(((days * 24 + hours) * 60 + minutes) * 60 + seconds) if days < 360 else None


def command_of(job: str) -> str:
    """Return the path of the script that a job runs. Raise SlurmError if Slurm does not know the job."""
    return call("squeue", f"--jobs={job}", "--states=all", "--noheader", "--format=%o").removesuffix("\n")


def cluster_name() -> str:
    """Return the name of this machine's cluster, or an empty string."""
    try:
        found = re.search(r"^ClusterName\s*=\s*(\S+)", call("scontrol", "show", "config"), re.MULTILINE)
    except SlurmError:
        return ""
    return plain(found[1], 60) if found else ""
