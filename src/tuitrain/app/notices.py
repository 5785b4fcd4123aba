"""Tell the user when a run or sweep ends: a toast, the bell and a desktop notification."""

from textual.notifications import SeverityLevel

from tuitrain.analysis import units
from tuitrain.app.failures import Failures
from tuitrain.errors import RunError, TuitrainError
from tuitrain.runs.sweeps.index import SweepIndex, sweep_status
from tuitrain.text import counted, plain
from tuitrain.widgets.messages import RunEnded, SweepEnded
from tuitrain.widgets.terminal.notifications import alert


class Notices(Failures):
    """Announce the end of runs and sweeps, and show errors."""

    def __init__(self) -> None:
        super().__init__()
        self._announced: set[tuple[str, float]] = set()

    def show_error(self, error: TuitrainError) -> None:
        self.notify(str(error), severity="error", markup=False)

    def on_run_ended(self, message: RunEnded) -> None:
        """Announce each end once; several screens may report it."""
        key = (message.folder.id, message.state.heartbeat)
        if key in self._announced:
            return
        self._announced.add(key)
        name, state = plain(message.name, 60), message.state
        if state.not_continued:
            alert(self, f"{name}: not resumed")
            self.notify(f"{name} was not resumed. {plain(state.not_continued)}", severity="error", markup=False)
            return
        best = state.best.test if state.best else None
        title, score = (f"best test{state.best.by}", best) if state.best and best else ("last test", state.test)
        accuracy = score.measured if score else None
        text = f"{name}: {message.status}" + ("" if accuracy is None else f", {title} {units.percent(accuracy)}")
        alert(self, text)
        severity: SeverityLevel = "error" if message.status in ("failed", "interrupted") else "information"
        self.notify(f"{text}. {plain(state.reason)}".rstrip(), severity=severity, markup=False)

    def on_sweep_ended(self, message: SweepEnded) -> None:
        try:
            name, outcomes = message.folder.sweep().name, SweepIndex(message.folder).refresh()
        except RunError:
            return
        done = sum(outcome.done for outcome in outcomes)
        status = sweep_status(message.folder, outcomes)
        text = f"sweep {plain(name, 60)}: {status}, {done} of {counted(len(outcomes), 'run')}"
        alert(self, text)
        self.notify(f"{text}. Press S on the home screen to open it.", markup=False)
