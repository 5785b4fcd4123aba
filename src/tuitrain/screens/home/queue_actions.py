"""Act on waiting runs: cancel them, hold, release and move those in the queue, and start the queue."""

from collections.abc import Callable, Sequence
from pathlib import Path

from textual.binding import Binding, BindingType

from tuitrain.analysis.waiting import reasons
from tuitrain.errors import RunError
from tuitrain.hosts.queue.start import start_queue_in_background
from tuitrain.runs.catalog.listing import Entry
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.queue import QueueFolder, QueueSession, waiting_runs
from tuitrain.runs.records import HIGHEST_PRIORITY, Waiting
from tuitrain.runs.slurm import waits_for_slurm
from tuitrain.runs.waiting import change, in_queue, stop
from tuitrain.screens.home.run_actions import RunActions
from tuitrain.widgets.messages import StopInSlurm
from tuitrain.widgets.threads import in_thread

QUEUE_BINDINGS: list[BindingType] = [
    Binding("Q", "queue", "start queue", tooltip="Start the queue in the background", id="runs.queue"),
    Binding("s", "stop", "cancel", tooltip="Cancel the waiting run", id="runs.stop"),
    Binding("p", "hold", "hold", tooltip="Hold the waiting run: the queue does not start it", id="runs.hold"),
    Binding("p", "release", "release", tooltip="Release the run that is held", id="runs.release"),
    Binding("plus", "priority(1)", "sooner", key_display="+", tooltip="Raise the priority", id="runs.sooner"),
    Binding("minus", "priority(-1)", "later", key_display="-", tooltip="Lower the priority", id="runs.later"),
]


class QueueActions(RunActions):
    """Act on the waiting run under the cursor, or on all marked ones if it is one of them."""

    def __init__(self, runs_dir: Path) -> None:
        super().__init__(runs_dir)
        # Why each waiting run has not started, by id.
        self.waits: dict[str, str] = {}
        self._sessions: list[QueueSession] = []
        self._starting_queue = False

    @property
    def queue_hint(self) -> str:
        """Which key starts the queue, if runs wait and none is running."""
        return "no queue is running (Q starts it)" if self.check_action("queue", ()) else ""

    def read_queue(self, runs: Sequence[Entry]) -> None:
        """Find out what the waiting runs wait for."""
        waits = any(run.status == "queued" and run.state.waiting for run in runs)
        self._sessions = QueueFolder(self.runs_dir).sessions() if waits else []
        self.waits = reasons(runs, self._sessions) if waits else {}

    @property
    def _waiting(self) -> list[tuple[RunFolder, Waiting]]:
        return [(run.folder, waiting) for run in self.targets if (waiting := in_queue(run.state))]

    @property
    def _waiting_for_slurm(self) -> list[RunFolder]:
        return [run.folder for run in self.targets if waits_for_slurm(run.state)]

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action in ("hold", "release"):
            return any(waiting.held == (action == "release") for _, waiting in self._waiting)
        if action == "stop":
            return bool(self._waiting or self._waiting_for_slurm)
        if action == "priority":
            return bool(self._waiting)
        if action == "queue":
            runs = waiting_runs(self.table_state.runs) if self.waits else []
            return bool(runs) and not self._sessions and not self._starting_queue
        return super().check_action(action, parameters)

    def action_hold(self) -> None:
        self._for_each(lambda folder, _: change(folder, held=True))

    def action_release(self) -> None:
        self._for_each(lambda folder, _: change(folder, held=False))

    def action_stop(self) -> None:
        for folder in self._waiting_for_slurm:
            self.post_message(StopInSlurm(folder))
        self._for_each(lambda folder, _: stop(folder))

    def action_priority(self, by: int) -> None:
        self._for_each(lambda folder, waiting: change(folder, priority=_within_limits(waiting.priority + by)))

    def _for_each(self, act: Callable[[RunFolder, Waiting], None]) -> None:
        for folder, waiting in self._waiting:
            try:
                act(folder, waiting)
            except RunError as error:
                self.show_error(error)
        self.reload()

    def action_queue(self) -> None:
        self._starting_queue = True
        self.refresh_bindings()
        self._start_queue()

    @in_thread
    def _start_queue(self) -> None:
        try:
            start_queue_in_background(self.runs_dir, None, 1, keep=False)
            self.notify("The queue runs in the background", timeout=3)
        finally:
            self._starting_queue = False
            self.call_later(self.reload)


def _within_limits(priority: int) -> int:
    return max(-HIGHEST_PRIORITY, min(HIGHEST_PRIORITY, priority))
