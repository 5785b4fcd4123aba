"""A sweep on disk: `RUNS/.sweeps/ID/`, shared by all processes that work on it.

sweep.toml      what it is
control.json    what the user asks of it: pause, stop, another order
trials/         the values of trials that were sampled
jobs/           which run each run of a trial is, and who works on it
sessions/       the processes that work on the sweep
journal.log     Optuna's memory
log.txt         what the workers print
"""

import contextlib
import os
import platform
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from tuitrain.config.sweeps.sweep import Sweep, Values, format_trial
from tuitrain.config.sweeps.toml import amend, loads
from tuitrain.config.validation import check_value
from tuitrain.errors import ConfigError, RunError
from tuitrain.runs import owner
from tuitrain.runs.files import read, read_json, replace
from tuitrain.runs.folder import RunFolder, new_id
from tuitrain.runs.process import Process, alive, this_process
from tuitrain.runs.sweeps.records import Control, Job, Record, Sample, Session
from tuitrain.text import did_you_mean, plain

# What can be said anew of a sweep that exists, whatever its runs were made from.
OPEN = ("trials", "seeds", "parallel", "max_minutes")


class SweepError(RunError):
    """The sweep itself cannot go on for now; no trial is to blame."""


class SweepFolder:
    """Every read raises RunError with a reason where it must fail."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.id = path.name
        self.runs_dir = path.parent.parent
        self.sweep_file = path / "sweep.toml"
        self.control_file = path / "control.json"
        self.journal_file = path / "journal.log"
        self.log_file = path / "log.txt"
        self._sweep: tuple[tuple[int, int], Sweep] | None = None

    def sweep(self) -> Sweep:
        try:
            stat = self.sweep_file.stat()
            stamp = (stat.st_mtime_ns, stat.st_ino)
            if self._sweep is None or self._sweep[0] != stamp:
                self._sweep = (stamp, loads(read(self.sweep_file).decode(), "sweep.toml"))
        except (ConfigError, UnicodeDecodeError) as error:
            raise RunError(f"sweep.toml is damaged: {plain(error, 160)}") from None
        except OSError:
            raise RunError("sweep.toml is missing.") from None
        return self._sweep[1]

    def extend(self, changes: Mapping[str, Any] | None = None, add: Sequence[Values] = ()) -> None:
        """Change those of the options that are OPEN, and `add` trials. Raises ConfigError where there would be fewer
        runs, or what is asked makes no sense, and RunError where it cannot be written."""
        sweep, changes = self.sweep(), changes or {}
        for name, value in changes.items():
            _refuse_change(sweep, name, value)
        there = [sweep.settings(values) for values in (*sweep.fixed_trials, *sweep.added.values())]
        for values in add:
            if sweep.settings(values) in there:
                raise ConfigError(
                    f"There is such a trial already: {format_trial(values)}.", "See its number in the table."
                )
            there.append(sweep.settings(values))
        # Before the trials that are only asked for now.
        added = dict(enumerate(add, sweep.trial_count))
        _write(self.sweep_file, amend(read(self.sweep_file).decode(), changes, added).encode())

    def first(self, jobs: Sequence[Job]) -> None:
        """Do these before all others. Raises RunError where that cannot be written."""
        self.ask(first=tuple(dict.fromkeys((*(job.key for job in jobs), *self.control().first))))

    def control(self) -> Control:
        return read_json(self.control_file, Control) if self.control_file.exists() else Control()

    def ask(self, **changes: Any) -> None:
        """Change what the user asks of the sweep. Raises RunError where it cannot be written."""
        _write(self.control_file, msgspec.json.encode(msgspec.structs.replace(self.control(), **changes)))

    def jobs(self) -> list[Job]:
        """In the order in which they are to be done. A grid is gone through once before it gets its second seed."""
        sweep = self.sweep()
        trials, seeds = range(sweep.trial_count), range(sweep.options.seeds)
        if sweep.options.method == "grid":
            jobs = [Job(trial, seed) for seed in seeds for trial in trials]
        else:
            jobs = [Job(trial, seed) for trial in trials for seed in seeds]
        first = {key: place for place, key in enumerate(self.control().first)}
        return sorted(jobs, key=lambda job: first.get(job.key, len(first)))

    def values(self, trial: int) -> Values | None:
        """None for a trial that is not sampled yet."""
        known, added = self.sweep().fixed_trials, self.sweep().added
        if trial < len(known):
            return known[trial]
        if trial in added:
            return added[trial]
        path = self.sample_file(trial)
        if not path.exists():
            return None
        try:
            return {key: check_value(key, value) for key, value in read_json(path, Sample).values.items()}
        except ConfigError as error:
            raise RunError(f"{path.name} is damaged: {error}") from None

    def keep(self, trial: int, sample: Sample) -> None:
        """The values of the trial from now on. Raises RunError where they cannot be written."""
        _write(self.sample_file(trial), msgspec.json.encode(sample), sync=True)

    def sample_file(self, trial: int) -> Path:
        return self.path / "trials" / f"{trial:04}.json"

    def record(self, job: Job) -> Record:
        path = self._job_file(job)
        return read_json(path, Record) if path.exists() else Record()

    def note(self, job: Job, record: Record) -> None:
        """Raises RunError where it cannot be written."""
        _write(self._job_file(job), msgspec.json.encode(record), sync=True)

    def run(self, job: Job) -> RunFolder | None:
        """None where it is not made, or made no more."""
        name = self.record(job).run
        path = self.runs_dir / name
        # The name comes from a file, and must not lead out of the runs folder.
        return RunFolder(path) if name and Path(name).name == name and path.is_dir() else None

    def _job_file(self, job: Job) -> Path:
        return self.path / "jobs" / f"{job.key}.json"

    def _hold_file(self, name: str) -> Path:
        return self.path / "jobs" / f"{name}.owner"

    def hold(self, job: Job) -> None:
        """Only this process works on the job from now on. Raises HeldError where another one does, RunError where that
        cannot be written."""
        owner.hold(self._hold_file(job.key), lambda: self._heartbeat(job))

    def let_go(self, job: Job) -> None:
        owner.let_go(self._hold_file(job.key))

    def holder(self, job: Job) -> Process | None:
        """Who works on the job; None where nobody does any more."""
        found = owner.holder(self._hold_file(job.key))
        if found is None or not alive(found.process, self._heartbeat(job)):
            return None
        return found.process

    def left_by(self, pid: int) -> list[Job]:
        """The jobs that a process of this machine, which is gone, did not let go."""
        owners = ((job, owner.holder(self._hold_file(job.key))) for job in self.jobs())
        return [
            job
            for job, found in owners
            if found is not None and found.process.pid == pid and found.process.host == platform.node()
        ]

    def hold_sampling(self) -> None:
        """Raises HeldError where another process samples just now."""
        path = self._hold_file("sampling")
        owner.hold(path, lambda: _modified(path))

    def let_go_sampling(self) -> None:
        owner.let_go(self._hold_file("sampling"))

    def _heartbeat(self, job: Job) -> float:
        """The last sign of life of who holds the job."""
        held = _modified(self._hold_file(job.key))
        try:
            run = self.run(job)
            return max(held, run.state().heartbeat if run else 0.0)
        except RunError:
            return held

    def enter(self, began: float) -> None:
        """Sign in, or give a sign of life, as a process that works on the sweep."""
        path = self._session_file()
        with contextlib.suppress(OSError):
            path.parent.mkdir(exist_ok=True)
        _write(path, msgspec.json.encode(Session(this_process(), began, time.time())))

    def leave(self) -> None:
        self._session_file().unlink(missing_ok=True)

    def _session_file(self) -> Path:
        return self.path / "sessions" / f"{platform.node()}-{os.getpid()}.json"

    def status(self, done: bool) -> str:
        """`finished`, `running`, `paused`, or `stopped` where nobody works on it."""
        if done:
            return "finished"
        if not self.sessions():
            return "stopped"
        return "paused" if self.control().paused else "running"

    def sessions(self) -> list[Session]:
        """Those that still work on the sweep."""
        found = []
        for path in (self.path / "sessions").glob("*.json"):
            try:
                session = read_json(path, Session)
            except RunError:
                continue
            if alive(session.process, session.heartbeat):
                found.append(session)
        return found


def _refuse_change(sweep: Sweep, name: str, value: Any) -> None:
    """Raises ConfigError where the option cannot have this value from now on."""
    key = f"sweep.{name}"
    if name not in OPEN:
        raise ConfigError(f"{key} stays what it is in a sweep that exists.", f"{', '.join(OPEN)} can change.", key=key)
    if name == "trials" and sweep.options.method == "grid":
        raise ConfigError("A grid has all its trials already.", "Give it more seeds, or add trials.", key=key)
    now = getattr(sweep.options, name)
    if name in ("trials", "seeds") and value < now:
        raise ConfigError(f"{key} = {value} is not allowed: it has {now} already.", key=key)


def _write(path: Path, content: bytes, *, sync: bool = False) -> None:
    try:
        replace(path, content, sync=sync)
    except OSError as error:
        raise SweepError(
            f"The sweep cannot be written: {error.strerror}.", "Go on with it once that is mended."
        ) from None


def _modified(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def create(runs_dir: Path, text: str) -> SweepFolder:
    """A new sweep from its TOML, there all at once or not at all. Raises ConfigError and RunError."""
    sweep_id = new_id(loads(text).name)
    path = runs_dir / ".sweeps" / sweep_id
    draft = path.with_name(f".{sweep_id}.new")
    try:
        for part in ("trials", "jobs", "sessions"):
            (draft / part).mkdir(parents=True)
        (draft / "sweep.toml").write_text(text, encoding="utf-8")
        (draft / "log.txt").touch()
        draft.rename(path)
    except OSError as error:
        shutil.rmtree(draft, ignore_errors=True)
        raise RunError(
            f"No sweep can be made in {plain(runs_dir)}: {error.strerror}.", "Choose another folder with --runs-dir."
        ) from None
    return SweepFolder(path)


def sweep_of(runs_dir: Path, parent: str | None) -> SweepFolder | None:
    """The sweep that a run's `parent` names; None where there is none such, or no more."""
    path = runs_dir / ".sweeps" / (parent or "")
    # The name comes from a file, and must not lead elsewhere.
    return SweepFolder(path) if parent and Path(parent).name == parent and (path / "sweep.toml").is_file() else None


def sweeps(runs_dir: Path) -> Iterator[SweepFolder]:
    """Newest first."""
    try:
        paths = sorted((runs_dir / ".sweeps").iterdir(), key=lambda path: path.name, reverse=True)
    except OSError:
        return
    for path in paths:
        if not path.name.startswith(".") and (path / "sweep.toml").is_file():
            yield SweepFolder(path)


def find(runs_dir: Path, wanted: str) -> SweepFolder:
    """The sweep with this id, beginning or end of an id, name, or path. Raises RunError where none or many fit."""
    path = Path(wanted)
    if (path / "sweep.toml").is_file():
        return SweepFolder(path.absolute())
    found = list(sweeps(runs_dir))
    for fits in (
        lambda folder: folder.id == wanted,
        lambda folder: wanted and (folder.id.startswith(wanted) or folder.id.endswith(f"-{wanted}")),
        lambda folder: _name(folder) == wanted,
    ):
        fitting = [folder for folder in found if fits(folder)]
        if len(fitting) == 1:
            return fitting[0]
        if fitting:
            ids = ", ".join(plain(folder.id) for folder in fitting[:5])
            raise RunError(f"{plain(wanted)!r} fits {len(fitting)} sweeps: {ids}.", "Give more of the id.")
    hint = did_you_mean(wanted, [folder.id for folder in found]) or "Start one with: tuitrain sweep -c FILE"
    raise RunError(f"There is no sweep {plain(wanted)!r} in {plain(runs_dir)}.", hint)


def _name(folder: SweepFolder) -> str:
    try:
        return folder.sweep().name
    except RunError:
        return ""
