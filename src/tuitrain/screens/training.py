"""Follow a run live: whether training goes well, and when it will end."""

from collections.abc import Callable
from functools import partial
from time import monotonic
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import ContentSwitcher, Log

from tuitrain.analysis.summary import status_name
from tuitrain.analysis.waiting import reason
from tuitrain.config.formatting import format_value
from tuitrain.config.schedule import Extension
from tuitrain.config.values import parse_value
from tuitrain.errors import RunError
from tuitrain.hosts.slurm.watch import SlurmWatch
from tuitrain.runs.catalog.follow import follow
from tuitrain.runs.changes import lr_curve
from tuitrain.runs.control import ANSWER_SECONDS, KEYS, CommandName, accepted, send
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.process import this_process
from tuitrain.runs.queue import QueueFolder
from tuitrain.runs.records import ACTIVE
from tuitrain.runs.slurm import waiting_runs
from tuitrain.runs.waiting import in_queue, stop
from tuitrain.screens.export import EXPORT, Export, ExportScreen, metrics_export
from tuitrain.text import plain
from tuitrain.widgets.charts.run_charts import ChartPair, GradientCharts, LossAccuracyCharts, ResourceCharts, UnitCharts
from tuitrain.widgets.forms.extension import choose_extension
from tuitrain.widgets.messages import AskValue, MoveToBackground, OpenRun, ResumeRun, RunEnded, StopInSlurm
from tuitrain.widgets.panels import live
from tuitrain.widgets.panels.fixed_text import FixedText
from tuitrain.widgets.terminal import notifications
from tuitrain.widgets.terminal.footer import FittingFooter
from tuitrain.widgets.terminal.keys import idle_seconds
from tuitrain.widgets.terminal.refresh import BUDGET

LOG_LINES = 3
# What the head shows until the loop answers a command, and the name of the event that answers it.
REQUESTS: dict[CommandName, tuple[str, str]] = {
    "pause": ("pausing …", "paused"),
    "resume": ("resuming …", "resumed"),
    "stop": ("stopping …", "stopped"),
    "checkpoint": ("saving a checkpoint …", "checkpoint"),
    "lr": ("changing the learning rate …", "lr"),
    "epochs": ("changing the epochs …", "epochs"),
}


class TrainingScreen(ExportScreen):
    """Follow and control a run through its folder. Closing this screen does not affect the run."""

    CSS_PATH = "training.tcss"
    TITLE = "Training"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "results", "results", tooltip="Open the results", id="training.results"),
        Binding("p", "pause", "pause", tooltip="Pause the run", id="training.pause"),
        Binding("p", "unpause", "resume", tooltip="Resume the run", id="training.unpause"),
        Binding("s", "stop", "stop", tooltip="Save a checkpoint and stop the run", id="training.stop"),
        Binding("r", "rate", "rate", tooltip="Change the learning rate", id="training.rate"),
        Binding("r", "resume", "resume", tooltip="Resume the run", id="training.resume"),
        Binding(
            "e", "epochs", "epochs", tooltip="Change the number of epochs, also after the end", id="training.epochs"
        ),
        Binding("d", "detach", "background", tooltip="Move to a background process", id="training.detach"),
        Binding("1", "page('curves')", "curves", tooltip="Loss and accuracy", id="training.curves"),
        Binding(
            "2", "page('gradients')", "gradients", tooltip="Gradient norms and learning rate", id="training.gradients"
        ),
        Binding("3", "page('log')", "log", tooltip="Log", id="training.log"),
        Binding("4", "page('layers')", "layers", tooltip="Updates and dead units by layer", id="training.layers"),
        Binding("5", "page('machine')", "machine", tooltip="GPU, memory and waiting times", id="training.machine"),
        EXPORT,
        Binding("C", "checkpoint", "checkpoint", tooltip="Save a checkpoint now", id="training.checkpoint"),
        Binding("escape", "app.pop_screen", "back", tooltip="Back (the run keeps running)", id="training.back"),
        Binding("q", "app.quit", tooltip="Quit", show=False),
    ]

    def __init__(self, folder: RunFolder) -> None:
        super().__init__()
        self.run = follow(folder)
        self._logged = 0
        # Shown in the log until the run prints something.
        self._placeholder = ""
        self._visited_pages: set[str] = set()
        self._active = False
        self._slurm = SlurmWatch()
        self._refusals: int | None = None
        # The last command until the loop answers it, the number of answers before it, and the time it was sent.
        self._request: tuple[CommandName, int, float] | None = None

    def compose(self) -> ComposeResult:
        yield FixedText(id="head")
        with ContentSwitcher(initial="curves"):
            yield LossAccuracyCharts(id="curves")
            yield GradientCharts(id="gradients")
            yield UnitCharts(id="layers")
            yield ResourceCharts(id="machine")
            yield Log(id="log", max_lines=2000, auto_scroll=True)
        yield FixedText(id="progress")
        yield FixedText(id="numbers")
        yield FixedText(id="health")
        yield FixedText(id="tail")
        yield FittingFooter()

    def on_resize(self) -> None:
        self.set_class(self.size.height < 24, "low")
        self._show_lines()

    def tick(self) -> None:
        was_active, started = self._active, self.run.state.started
        self.run.poll(BUDGET)
        if self.skip_redraw(self.run.behind):
            return
        self._active = self.run.status in ACTIVE
        if was_active and not self._active and started is not None:
            self.post_message(RunEnded(self.run.folder, self.run.info.name, self.run.state, self.run.status))
        self._notify_refusals()
        self._check_answer()
        self._slurm.look(lambda: waiting_runs([(self.run.folder, self.run.state)]), idle_seconds(self.app))
        state = self.run.state
        progress = f"{100 * state.step / state.steps:.0f} % " if state.steps and state.active else ""
        notifications.set_title(self.app, f"{progress}{self.run.info.name} · {status_name(self.run.status, state)}")
        self._show_page()
        self._show_lines()
        self.refresh_bindings()

    @property
    def urgent(self) -> bool:
        return self._request is not None and monotonic() - self._request[2] < ANSWER_SECONDS

    def _check_answer(self) -> None:
        if self._request and (not self._active or self._answers(self._request[0]) > self._request[1]):
            self._request = None

    def _answers(self, command: CommandName) -> int:
        return sum(event.name in (REQUESTS[command][1], "refused") for event in self.run.events)

    def _notify_refusals(self) -> None:
        """Notify the user of each command that the run has refused since this screen opened."""
        refusals = [event.detail for event in self.run.events if event.name == "refused"]
        for detail in refusals[self._refusals :] if self._refusals is not None else ():
            self.notify(f"Refused: {plain(detail)}", severity="warning", markup=False)
        self._refusals = len(refusals)

    def _show_page(self) -> None:
        current = self.query_one(ContentSwitcher).current or ""
        self._visited_pages.add(current)
        if current == "log":
            self._show_log()
        else:
            self.query_one(f"#{current}", ChartPair).show(self.run)

    def _show_log(self) -> None:
        """Append what the run has printed. Until it prints something, show what it does."""
        log, new_lines = self.query_one(Log), self.run.log_lines - self._logged
        lines = [plain(line, 1000) for line in list(self.run.log)[-new_lines:]] if new_lines > 0 else []
        if not self.run.log_lines:
            lines = [f"{plain(self.activity if self._active else self.run.status, 60)} · nothing printed yet"]
        if lines != [self._placeholder]:
            if self._placeholder:
                log.clear()
            log.write_lines(lines)
            self._placeholder = "" if self.run.log_lines else lines[0]
        self._logged = self.run.log_lines

    def _show_lines(self) -> None:
        width = self.size.width - 2
        activity = REQUESTS[self._request[0]][0] if self._request else ""
        self.query_one("#head", FixedText).show(live.head(self.run, width, activity))
        self.query_one("#progress", FixedText).show(live.progress(self.run, width))
        self.query_one("#numbers", FixedText).show(live.numbers(self.run, width))
        self.query_one("#health", FixedText).show(live.health_line(self.run, width))
        count = 1 if self.has_class("low") else LOG_LINES
        last = list(self.run.log)[-count:] if self.run.log and not self._waiting else [self.activity]
        self.query_one("#tail", FixedText).show(Content("\n".join(plain(line) for line in last)))

    @property
    def activity(self) -> str:
        """What the last line says of a run that has printed nothing."""
        return self._waits_for() or self.run.state.phase or "waiting for the first step"

    @property
    def _waiting(self) -> bool:
        """Whether the run waits in the queue, where it obeys no commands but stop."""
        return in_queue(self.run.state) is not None

    def _waits_for(self) -> str:
        """Return what a run that no process owns waits for."""
        state = self.run.state
        if state.status != "queued" or state.waiting is None:
            return ""
        return reason(state.waiting, self.run.config, QueueFolder(self.run.folder.path.parent).sessions())

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        active = self._active
        if self._waiting and action in ("pause", "unpause", "checkpoint", "rate", "epochs"):
            return False
        if action == "detach":
            return active and self.run.state.process == this_process()
        if action in ("pause", "unpause"):
            return active and (self.run.state.status == "paused") == (action == "unpause")
        if action in ("stop", "checkpoint", "rate"):
            return active
        if action in ("results", "resume"):
            return not active
        if action == "page":
            return self.query_one(ContentSwitcher).current != parameters[0] if self.is_mounted else True
        return True

    def action_page(self, page: str) -> None:
        self.query_one(ContentSwitcher).current = page
        self.query_one(f"#{page}").focus()
        self.refresh_bindings()
        # A visited page shows its previous content at once and updates a moment later.
        if page in self._visited_pages:
            self.call_after_refresh(self.poll_now)
        else:
            self._show_page()

    def action_results(self) -> None:
        self.post_message(OpenRun(self.run.folder, results=True, replace=True))

    def action_pause(self) -> None:
        self._send("pause")

    def action_unpause(self) -> None:
        self._send("resume")

    def action_stop(self) -> None:
        if self._waiting:
            self._cancel()
        elif self.run.state.waiting is None and self.run.state.slurm is None:
            self._send("stop")
        elif not (self._request and self._request[0] == "stop"):
            self.post_message(StopInSlurm(self.run.folder))
            self._request = "stop", self._answers("stop"), monotonic()
            self._show_lines()

    def _cancel(self) -> None:
        """Take the run out of the queue."""
        try:
            stop(self.run.folder)
        except RunError as error:
            self.show_error(error)
        self.call_after_refresh(self.poll_now)

    def action_checkpoint(self) -> None:
        self._send("checkpoint")

    def action_rate(self) -> None:
        self._ask("lr", format_value(live.learning_rate(self.run)), "Learning rate (the peak, if a schedule is used)")

    def action_resume(self) -> None:
        self.post_message(ResumeRun(self.run.folder, watch=True))

    def action_epochs(self) -> None:
        if not self._active:
            self.post_message(ResumeRun(self.run.folder, ask=True, watch=True))
            return
        self._ask("epochs", str(self.run.state.epochs), "Total number of epochs", self._send_epochs)

    def _send_epochs(self, epochs: float) -> None:
        state = self.run.state
        present = lr_curve(self.run.config, state)
        choose_extension(self, present, int(epochs), state.step, partial(self._send, "epochs", epochs))

    def exports(self) -> list[Export]:
        return [metrics_export(self.run), self.picture_export("training")]

    def action_detach(self) -> None:
        self.post_message(MoveToBackground())

    def _ask(
        self, command: CommandName, value: str, title: str, answer: Callable[[float], object] | None = None
    ) -> None:
        """Ask for the value of a command, and call `answer` with it; None: send it."""
        answer = answer or partial(self._send, command)

        def check(text: str) -> None:
            if not self._active:
                raise RunError(f"The run is {self.run.status} and no longer accepts commands.")
            accepted(command, parse_value(KEYS[command], text), self.run.state.begun)

        self.post_message(AskValue(title, value, check, lambda text: answer(parse_value(KEYS[command], text))))

    def _send(self, command: CommandName, value: float | None = None, schedule: Extension = "stretch") -> None:
        if value is None and self._request and self._request[0] == command:
            return  # The key was pressed twice.
        try:
            send(self.run.folder, command, value, schedule)
        except RunError as error:
            self.show_error(error)
            return
        self._request = command, self._answers(command), monotonic()
        self._show_lines()
        self.call_after_refresh(self.poll_now)
