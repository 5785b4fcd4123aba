"""Say in plain words why Slurm has not started a job."""

from tuitrain.hosts.slurm.client import Listed

# Slurm's usual reasons; others are shown as Slurm names them.
REASONS = {
    "Priority": "other jobs come first",
    "Resources": "the nodes are busy",
    "Dependency": "it waits for another job",
    "DependencyNeverSatisfied": "the job that it depends on failed",
    "BeginTime": "its start time has not come",
    "JobHeldUser": "you hold it; release it with scontrol release",
    "JobHeldAdmin": "an administrator holds it",
    "Licenses": "a licence is not free",
    "Reservation": "its reservation has not begun",
    "ReqNodeNotAvail": "a node that it needs is down or reserved",
    "NodeDown": "a node that it needs is down",
    "PartitionDown": "its partition is down",
    "PartitionInactive": "its partition starts no jobs",
    "PartitionTimeLimit": "its time limit exceeds that of the partition",
    "PartitionNodeLimit": "it asks for more nodes than the partition has",
    "BadConstraints": "no node has what it asks for",
    "InvalidAccount": "its account is not valid",
    "InvalidQOS": "its QOS is not valid",
    "JobArrayTaskLimit": "enough tasks of its array run",
    "JobLaunchFailure": "it could not be started",
    "Prolog": "its node is being prepared",
    "QOSMaxJobsPerUserLimit": "you run as many jobs as your QOS allows",
    "QOSMaxSubmitJobPerUserLimit": "you have submitted as many jobs as your QOS allows",
    "QOSGrpGRES": "your group's GPUs are in use",
    "MaxGRESPerAccount": "your account's GPUs are in use",
    "AssocGrpGRES": "your account's GPUs are in use",
    "AssocMaxJobsLimit": "your account runs as many jobs as it may",
    "launch failed requeued held": "its start failed; release it with scontrol release",
}
# Reasons that begin like this, which have many variants.
PREFIXES = {"QOS": "a limit of your QOS", "Assoc": "a limit of your account", "Max": "a limit of your account"}


def describe(job: Listed) -> str:
    """Return why a job has not started, such as `the nodes are busy (Resources)`."""
    if job.state != "PENDING":
        where = f" on {job.node}" if job.node else ""
        return f"starting{where}" if job.state in ("RUNNING", "CONFIGURING") else job.state.lower()
    if not job.reason or job.reason == "None":
        return "Slurm has not looked at it yet"
    start = f", expected to start at {_clock(job.start)}" if job.start else ""
    return f"{_words(job.reason)}{start}"


def _words(reason: str) -> str:
    # Slurm appends details: `ReqNodeNotAvail, UnavailableNodes:gpu07`.
    word = reason.partition(",")[0]
    known = REASONS.get(word) or next((text for prefix, text in PREFIXES.items() if word.startswith(prefix)), "")
    return f"{known} ({reason})" if known else reason


def _clock(start: str) -> str:
    """Return `2026-11-30T14:20:00` without its seconds."""
    return start.replace("T", " ")[: len("2026-11-30 14:20")]
