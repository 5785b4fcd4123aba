"""Read what has become of the jobs of a sweep."""

from msgspec import Struct

from tuitrain.config.sweeps.sweep import Values
from tuitrain.errors import RunError
from tuitrain.runs.folder import RunFolder, shown_status
from tuitrain.runs.records import ShownStatus, State
from tuitrain.runs.sweeps.claims import job_owner
from tuitrain.runs.sweeps.folder import SweepFolder
from tuitrain.runs.sweeps.records import Job

ENDED = ("finished", "stopped", "failed")


class Outcome(Struct, frozen=True):
    """The outcome of a job. `values` is None for a trial not sampled yet, `state` is that of the run, if it exists."""

    job: Job
    values: Values | None
    status: ShownStatus
    run: RunFolder | None = None
    state: State | None = None
    problem: str = ""

    @property
    def done(self) -> bool:
        return self.status in (*ENDED, "damaged")


class SweepIndex:
    """The outcomes of a sweep. Of a job that has ended, `refresh` only checks that its run still exists."""

    def __init__(self, folder: SweepFolder) -> None:
        self.folder = folder
        self._done: dict[Job, Outcome] = {}

    def refresh(self) -> list[Outcome]:
        """Return all outcomes in the order of the queue. Raises RunError if the sweep cannot be read."""
        outcomes = []
        for job in self.folder.jobs():
            latest = self._done.get(job)
            if latest is None or latest.run is None or not latest.run.path.is_dir():
                latest = outcome(self.folder, job)
            if latest.status in ENDED:
                self._done[job] = latest
            outcomes.append(latest)
        return outcomes


def outcome(folder: SweepFolder, job: Job) -> Outcome:
    """Read the current outcome of a job. A job whose run is damaged does not run again."""
    try:
        values, record, run = folder.values(job.trial), folder.record(job), folder.run(job)
        if record.problem:
            return Outcome(job, values, "failed", run, None, record.problem)
        if run is None:
            return Outcome(job, values, "queued")
    except RunError as error:
        return Outcome(job, None, "damaged", None, None, str(error))
    try:
        state = run.state()
    except RunError as error:
        return Outcome(job, values, "damaged", run, None, str(error))
    return Outcome(job, values, shown_status(state), run, state, state.reason)


def sweep_status(folder: SweepFolder, outcomes: list[Outcome]) -> str:
    """Return `finished`, `running`, `paused`, `stopped`, or `queued` if runs wait, for the queue for example."""
    status = folder.status(all(outcome.done for outcome in outcomes))
    if status != "stopped":
        return status
    if any(outcome.status == "queued" and outcome.state is not None for outcome in outcomes):
        return "queued"
    return "running" if any(outcome.status in ("running", "paused") for outcome in outcomes) else status


def open_jobs(folder: SweepFolder, outcomes: list[Outcome]) -> list[Job]:
    """Return the jobs that are not done and that no process owns."""
    # Another process is about to train a queued run that exists.
    startable = [one for one in outcomes if one.status == "interrupted" or (one.status == "queued" and not one.state)]
    return [outcome.job for outcome in startable if not job_owner(folder, outcome.job)]
