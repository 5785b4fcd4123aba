"""What became of the runs of a sweep so far."""

from msgspec import Struct

from tuitrain.config.sweeps.sweep import Values
from tuitrain.errors import RunError
from tuitrain.runs.folder import RunFolder, shown_status
from tuitrain.runs.records import ShownStatus, State
from tuitrain.runs.sweeps.folder import SweepFolder
from tuitrain.runs.sweeps.records import Job

ENDED = ("finished", "stopped", "failed")


class Outcome(Struct, frozen=True):
    """What became of a job. `values` None: not sampled yet; `status` queued: to be done; `state` of its run."""

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
    """`refresh` reads only what may have changed: of jobs that have ended, nothing but that their run is there."""

    def __init__(self, folder: SweepFolder) -> None:
        self.folder = folder
        self._done: dict[Job, Outcome] = {}

    def refresh(self) -> list[Outcome]:
        """In the order of the queue. Raises RunError where the sweep itself cannot be read."""
        outcomes = []
        for job in self.folder.jobs():
            known = self._done.get(job)
            if known is None or known.run is None or not known.run.path.is_dir():
                known = outcome(self.folder, job)
            if known.status in ENDED:
                self._done[job] = known
            outcomes.append(known)
        return outcomes


def outcome(folder: SweepFolder, job: Job) -> Outcome:
    """What is known of the job now; a run that is damaged is not done again."""
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


def open_jobs(folder: SweepFolder, outcomes: list[Outcome]) -> list[Job]:
    """Those that are not done and that nobody works on."""
    return [
        one.job
        for one in outcomes
        if one.status in ("queued", "interrupted") and _left(one) and not folder.holder(one.job)
    ]


def _left(one: Outcome) -> bool:
    """A run that says queued lives in another process, which is about to train it."""
    return one.status == "interrupted" or one.state is None
