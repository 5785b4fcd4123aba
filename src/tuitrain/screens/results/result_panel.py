"""The result of a run in large digits, and the verdict on it."""

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widgets import Digits, Static

from tuitrain.analysis import summary
from tuitrain.analysis.known_curve import known_curve
from tuitrain.analysis.next_step import CurveResult
from tuitrain.analysis.verdict import Verdict, verdict
from tuitrain.hosts.verdict.process import Answer, Request, VerdictProcess
from tuitrain.runs.baselines import Baselines, baselines_of
from tuitrain.runs.follower import Follower
from tuitrain.runs.label_check import LabelCheck, known_labels, label_stamp
from tuitrain.runs.records import ACTIVE, Evaluation
from tuitrain.text import utf8_locale
from tuitrain.widgets.panels import run_report
from tuitrain.widgets.panels.verdict import verdict_text
from tuitrain.widgets.terminal.refresh import PollingScreen

# The key that computes missing baselines.
KEY = "B"


class ResultPanel(Vertical):
    """Shows the accuracy of a run and the verdict on it; a background process computes missing baselines."""

    DEFAULT_CSS = """
    ResultPanel {
        height: auto;
        & #result { height: 4; }
        & Digits { width: auto; color: $accent; margin: 0 3 0 0; }
        & #verdict { width: 1fr; }
        & #judgement { height: auto; margin: 0 0 1 0; }
    }
    """

    def __init__(self) -> None:
        super().__init__()
        self._process = VerdictProcess()
        self._evaluation: Evaluation | None = None
        self._baselines: Baselines | None = None
        self._labels: LabelCheck | None = None
        self._curve: CurveResult | None = None
        # The answer and the stamp of the labels that were read.
        self._polled: tuple[Answer[Baselines] | None, tuple[int, ...]] = (None, ())

    def compose(self) -> ComposeResult:
        with Horizontal(id="result"):
            yield Digits(id="accuracy")
            yield Static(id="verdict")
        yield Static(id="judgement")

    def read(self, run: Follower, evaluations: Sequence[Evaluation]) -> None:
        """Show the verdict on the first evaluation, once the run has ended."""
        self._evaluation = evaluations[0] if evaluations and run.status not in (*ACTIVE, "damaged") else None
        self._read(run)

    def poll(self, run: Follower) -> bool:
        """Return whether the background process or what is known of labels has changed."""
        state = self._process.latest, label_stamp(run.folder)
        if state == self._polled:
            return False
        self._polled = state
        self._read(run)
        return True

    def _read(self, run: Follower) -> None:
        """Read what the verdict needs besides the curves."""
        if self._evaluation is not None:
            self._baselines = baselines_of(run.folder, self._evaluation, run.info)
            self._labels = known_labels(run.folder, run.info)
            self._curve = known_curve(run)
        self.screen.refresh_bindings()

    def show(self, run: Follower, evaluations: Sequence[Evaluation]) -> None:
        result = summary.result(run)
        self.query_one("#result").display = result is not None
        # The large digits consist of box-drawing characters.
        self.query_one(Digits).display = utf8_locale()
        found = self._verdict(run)
        if result is not None:
            self.query_one(Digits).update(result[0])
            self.query_one("#verdict", Static).update(run_report.headline_lines(run, evaluations, found))
        self.query_one("#judgement").display = found is not None
        if found is not None:
            self.query_one("#judgement", Static).update(verdict_text(found, self._comparing, KEY))

    def _verdict(self, run: Follower) -> Verdict | None:
        return verdict(run, self._evaluation, self._baselines, self._labels, self._curve) if self._evaluation else None

    @property
    def _comparing(self) -> str:
        answer = self._process.latest
        return (answer.problem or (f"{answer.doing} …" if answer.doing else "")) if answer else ""

    @property
    def can_compare(self) -> bool:
        """Whether baselines are missing and can be computed."""
        return self._evaluation is not None and self._baselines is None and not self.is_comparing

    @property
    def is_comparing(self) -> bool:
        return self._process.latest is not None and bool(self._process.latest.doing)

    def compare(self, run: Follower) -> None:
        """Compute the baselines in the background."""
        # They may be known of other images, from before the run was resumed.
        self._process.cancel()
        self._process.request(Request(str(run.folder.path.absolute()), "last"))
        assert isinstance(self.screen, PollingScreen)
        self.screen.poll_now()

    def on_unmount(self) -> None:
        self._process.close()
