"""Request the missing baselines of a run from a subprocess."""

from tuitrain.hosts.preview.report import Answer, ReportProcess
from tuitrain.runs.baselines import Baselines


class VerdictProcess(ReportProcess[Baselines]):
    """Requests the baselines of one run, which the subprocess stores in its folder."""

    def __init__(self) -> None:
        super().__init__("tuitrain.hosts.verdict.server", Answer[Baselines], "comparison")
