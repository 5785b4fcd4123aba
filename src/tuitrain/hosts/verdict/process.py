"""Request the missing baselines of a run from a subprocess."""

from tuitrain.hosts.preview.report import Answer, ReportProcess, Request
from tuitrain.runs.baselines import Baselines

__all__ = ["Answer", "Request", "VerdictProcess"]


class VerdictProcess(ReportProcess[Baselines]):
    """Requests the baselines of one run, which are then in its folder."""

    def __init__(self) -> None:
        super().__init__("tuitrain.hosts.verdict.server", Answer[Baselines], "comparison")
