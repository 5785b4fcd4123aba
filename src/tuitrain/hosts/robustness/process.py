"""Request the accuracy of a run on corrupted images from a subprocess."""

from tuitrain.hosts.preview.report import Answer, ReportProcess
from tuitrain.runs.robustness import Robustness


class RobustnessProcess(ReportProcess[Robustness]):
    """Requests the robustness of one run on its test split."""

    def __init__(self) -> None:
        super().__init__("tuitrain.hosts.robustness.server", Answer[Robustness], "evaluation")
