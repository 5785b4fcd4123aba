"""Request the suspects of a run from a subprocess."""

from tuitrain.hosts.preview.report import Answer, ReportProcess, Request
from tuitrain.hosts.suspects.report import Report

__all__ = ["Answer", "Request", "SuspectsProcess"]


class SuspectsProcess(ReportProcess[Report]):
    """Requests the suspects of one run."""

    def __init__(self) -> None:
        super().__init__("tuitrain.hosts.suspects.server", Answer[Report], "comparison")
