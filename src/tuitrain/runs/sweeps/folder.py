"""A sweep on disk, shared by all processes that work on it: `RUNS/.sweeps/ID/`.

sweep.toml      base settings, varied settings and options
control.json    the user's commands: pause, stop, move trials to the front
trials/         the values of sampled trials
jobs/           the run of each job, and the process that owns the job
sessions/       the processes that work on the sweep
slurm.json      the Slurm job array that will work on it
journal.log     Optuna's storage
log.txt         output of the workers
"""

import contextlib
import os
import platform
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from tuitrain.config.sweeps.sweep import Sweep, Values, format_trial
from tuitrain.config.sweeps.toml import amend, loads
from tuitrain.config.validation import check_value
from tuitrain.errors import ConfigError, RunError
from tuitrain.files import check_own_file, check_own_folder, replace
from tuitrain.runs.files import read, read_json
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.process import alive, this_process
from tuitrain.runs.sweeps.records import Control, Job, Record, Sample, Session, Submission
from tuitrain.text import plain

SUBFOLDERS = ("trials", "jobs", "sessions")
# The options that can change after the sweep was created.
CHANGEABLE_OPTIONS = ("trials", "seeds", "parallel", "max_minutes")


class SweepError(RunError):
    """The sweep cannot continue, for a reason outside its trials."""


class SweepFolder:
    """The files of one sweep. Every method that reads raises RunError if a file is missing or damaged."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.id = path.name
        self.runs_dir = path.parent.parent
        self.sweep_file = path / "sweep.toml"
        self.control_file = path / "control.json"
        self.journal_file = path / "journal.log"
        self.log_file = path / "log.txt"
        self.submission_file = path / "slurm.json"
        self._sweep: tuple[tuple[int, int], Sweep] | None = None

    def sweep(self) -> Sweep:
        try:
            stat = self.sweep_file.stat()
            stamp = (stat.st_mtime_ns, stat.st_ino)
            if self._sweep is None or self._sweep[0] != stamp:
                self._sweep = (stamp, loads(read(self.sweep_file).decode(), "sweep.toml", stored=True))
        except (ConfigError, UnicodeDecodeError) as error:
            raise RunError(f"sweep.toml is damaged: {plain(error, 160)}") from None
        except OSError:
            raise RunError("sweep.toml is missing.") from None
        return self._sweep[1]

    def extend(self, changes: Mapping[str, Any] | None = None, add: Sequence[Values] = ()) -> None:
        """Change some of the `CHANGEABLE_OPTIONS` and add trials. Raises ConfigError if a change is not allowed, such
        as fewer trials, and RunError if sweep.toml cannot be written."""
        sweep, changes = self.sweep(), changes or {}
        for name, value in changes.items():
            _refuse_change(sweep, name, value)
        existing = [sweep.settings(values) for values in (*sweep.fixed_trials, *sweep.added.values())]
        for values in add:
            if sweep.settings(values) in existing:
                raise ConfigError(
                    f"The sweep already has this trial: {format_trial(values)}.", "Find its number in the table."
                )
            existing.append(sweep.settings(values))
        # Numbered before the trials that the changed options add.
        added = dict(enumerate(add, sweep.trial_count))
        _write(self.sweep_file, amend(read(self.sweep_file).decode(), changes, added).encode())

    def move_to_front(self, jobs: Sequence[Job]) -> None:
        """Put `jobs` at the front of the queue. Raises RunError if control.json cannot be written."""
        self.update_control(first=tuple(dict.fromkeys((*(job.key for job in jobs), *self.control().first))))

    def control(self) -> Control:
        return read_json(self.control_file, Control) if self.control_file.exists() else Control()

    def update_control(self, **changes: Any) -> None:
        """Change fields of control.json. Raises RunError if it cannot be written."""
        _write(self.control_file, msgspec.json.encode(msgspec.structs.replace(self.control(), **changes)))

    def check_own_files(self) -> None:
        """Raise SweepError if writing to the sweep would change something outside of its folder."""
        try:
            for file in (self.journal_file, self.log_file):
                check_own_file(file)
            for name in SUBFOLDERS:
                check_own_folder(self.path / name)
        except OSError as error:
            hint = "Replace it by a copy: a sweep writes only to files of its own."
            raise SweepError(f"The sweep cannot be written: {error.strerror}.", hint) from None

    def jobs(self) -> list[Job]:
        """Return all jobs in the order of the queue. A grid runs every trial with one seed before it starts the next
        seed."""
        sweep = self.sweep()
        trials, seeds = range(sweep.trial_count), range(sweep.runs_per_trial)
        if sweep.options.method == "grid":
            jobs = [Job(trial, seed) for seed in seeds for trial in trials]
        else:
            jobs = [Job(trial, seed) for trial in trials for seed in seeds]
        first = {key: index for index, key in enumerate(self.control().first)}
        return sorted(jobs, key=lambda job: first.get(job.key, len(first)))

    def values(self, trial: int) -> Values | None:
        """Return the values of a trial, or None if it is not sampled yet."""
        fixed, added = self.sweep().fixed_trials, self.sweep().added
        if trial < len(fixed):
            return fixed[trial]
        if trial in added:
            return added[trial]
        path = self.sample_file(trial)
        if not path.exists():
            return None
        try:
            return {key: check_value(key, value) for key, value in read_json(path, Sample).values.items()}
        except ConfigError as error:
            raise RunError(f"{path.name} is damaged: {error}") from None

    def write_sample(self, trial: int, sample: Sample) -> None:
        """Store the values of a trial. Raises RunError if they cannot be written."""
        _write(self.sample_file(trial), msgspec.json.encode(sample), sync=True)

    def sample_file(self, trial: int) -> Path:
        return self.path / "trials" / f"{trial:04}.json"

    def record(self, job: Job) -> Record:
        path = self._job_file(job)
        return read_json(path, Record) if path.exists() else Record()

    def write_record(self, job: Job, record: Record) -> None:
        """Store the record of a job. Raises RunError if it cannot be written."""
        _write(self._job_file(job), msgspec.json.encode(record), sync=True)

    def run(self, job: Job) -> RunFolder | None:
        """Return the run of a job, or None if it is not created yet or was deleted."""
        name = self.record(job).run
        path = self.runs_dir / name
        # The name is read from a file and must not lead out of the runs folder.
        return RunFolder(path) if name and Path(name).name == name and path.is_dir() else None

    def _job_file(self, job: Job) -> Path:
        return self.path / "jobs" / f"{job.key}.json"

    def update_session(self, began: float) -> None:
        """Register this process as a session of the sweep, or update its heartbeat."""
        path = self._session_file()
        with contextlib.suppress(OSError):
            path.parent.mkdir(exist_ok=True)
        _write(path, msgspec.json.encode(Session(this_process(), began, time.time())))

    def remove_session(self) -> None:
        self._session_file().unlink(missing_ok=True)

    def _session_file(self) -> Path:
        return self.path / "sessions" / f"{platform.node()}-{os.getpid()}.json"

    def submission(self) -> Submission | None:
        """Return the Slurm job array that will work on the sweep, or None."""
        try:
            return read_json(self.submission_file, Submission)
        except RunError:
            return None

    def write_submission(self, submission: Submission | None) -> None:
        """Record the Slurm job array; None: there is none. Raises RunError if the record cannot be written."""
        if submission is None:
            self.submission_file.unlink(missing_ok=True)
        else:
            _write(self.submission_file, msgspec.json.encode(submission))

    def status(self, done: bool) -> str:
        """Return `finished`, `running`, `paused`, `queued` if Slurm has yet to start its workers, or `stopped` if no
        process works on the sweep."""
        if done:
            return "finished"
        if not self.sessions():
            return "queued" if self.submission() else "stopped"
        return "paused" if self.control().paused else "running"

    def sessions(self) -> list[Session]:
        """Return the sessions whose process still exists."""
        sessions = []
        for path in (self.path / "sessions").glob("*.json"):
            try:
                session = read_json(path, Session)
            except RunError:
                continue
            if alive(session.process, session.heartbeat):
                sessions.append(session)
        return sessions


def _refuse_change(sweep: Sweep, name: str, value: Any) -> None:
    """Raise ConfigError if the option cannot change to this value."""
    key = f"sweep.{name}"
    if name not in CHANGEABLE_OPTIONS:
        hint = f"Options that can: {', '.join(CHANGEABLE_OPTIONS)}."
        raise ConfigError(f"{key} cannot change after the sweep was created.", hint, key=key)
    if name == "trials" and sweep.options.method == "grid":
        raise ConfigError("A grid always has all its trials.", "Add seeds or single trials instead.", key=key)
    current = sweep.seeds if name == "seeds" else getattr(sweep.options, name)
    if name in ("trials", "seeds") and value < current:
        raise ConfigError(f"{key} = {value} is not allowed: the sweep already has {current}.", key=key)


def _write(path: Path, content: bytes, *, sync: bool = False) -> None:
    try:
        if path.parent.name in SUBFOLDERS:
            check_own_folder(path.parent)
        replace(path, content, sync=sync)
    except OSError as error:
        reason = f"The sweep cannot be written: {error.strerror}."
        raise SweepError(reason, "Fix this, then resume the sweep.") from None
