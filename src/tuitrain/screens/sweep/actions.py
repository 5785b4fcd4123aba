"""Control a sweep: pause, stop and resume it, change its queue, extend it."""

from collections.abc import Callable
from typing import Any

from textual.binding import Binding, BindingType

from tuitrain.analysis.table.markers import RunMarker
from tuitrain.config.code import code_of
from tuitrain.config.formatting import format_value
from tuitrain.config.sweeps.overrides import parse_trials, split_assignments
from tuitrain.config.sweeps.sweep import Values, sweep_settings
from tuitrain.config.values import parse_value
from tuitrain.errors import TuitrainError
from tuitrain.hosts.sweeps.background import start_sweep_in_background, stop_sweep
from tuitrain.hosts.trust import remember, sweep_code, sweep_key, sweep_origin, unknown_code
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.sweeps.folder import CHANGEABLE_OPTIONS, SweepFolder
from tuitrain.runs.sweeps.index import Outcome
from tuitrain.runs.waiting import in_queue
from tuitrain.screens.export import ExportScreen
from tuitrain.widgets.messages import AskChoice, AskTrust, AskValue, OpenComparison
from tuitrain.widgets.tables.sweep import SweepTable
from tuitrain.widgets.threads import in_thread

ADD = "add"
SWEEP_ACTIONS: list[BindingType] = [
    Binding("p", "pause", "pause", tooltip="Pause the sweep: start no further runs", id="sweep.pause"),
    Binding("p", "unpause", "resume", tooltip="Resume the sweep: start runs again", id="sweep.unpause"),
    Binding("s", "stop", "stop", tooltip="Stop the sweep (running runs are saved); r resumes it", id="sweep.stop"),
    Binding("r", "resume", "resume", tooltip="Resume the sweep in a background process", id="sweep.resume"),
    Binding("space", "mark", "mark", tooltip="Mark the run for comparison", id="sweep.mark"),
    Binding("c", "compare", "compare", tooltip="Compare the marked runs, or all finished ones", id="sweep.compare"),
    Binding("P", "first", "prioritize", tooltip="Move this run to the front of the queue", id="sweep.first"),
    Binding("n", "more", "extend", tooltip="Add trials, seeds, concurrent runs or minutes", id="sweep.more"),
]


class SweepActions(ExportScreen):
    """Control the sweep in `folder`; `markers` maps the ids of the marked runs to their markers."""

    def __init__(self, folder: SweepFolder) -> None:
        super().__init__()
        self.folder = folder
        self.sweep = folder.sweep()
        self.status = ""
        self.outcomes: list[Outcome] = []
        self.markers: dict[str, RunMarker] = {}
        # True from pressing r until the workers have started: a second r must not start twice as many.
        self._starting = False

    @property
    def selected(self) -> Outcome | None:
        """The run under the cursor; None while the table is hidden."""
        table = self.query_one(SweepTable) if self.is_mounted else None
        return table.selected if table is not None and table.display else None

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "pause":
            return self.status == "running"
        if action == "unpause":
            return self.status == "paused"
        if action == "stop":
            return self.status in ("running", "paused", "queued")
        if action == "resume":
            return self.status == "stopped" and not self._starting
        if action == "mark":
            return self.selected is not None and self.selected.run is not None
        if action == "compare":
            return len(self._to_compare()) > 1
        if action == "first":
            # The queue orders runs by their priority.
            run = self.selected
            return run is not None and run.status == "queued" and not (run.state and in_queue(run.state))
        if action == "more":
            return bool(self.status)
        return super().check_action(action, parameters)

    def _to_compare(self) -> list[RunFolder]:
        """Return the marked runs; if fewer than two are marked, all finished runs."""
        marked = [outcome.run for outcome in self.outcomes if outcome.run and outcome.run.id in self.markers]
        ended = [outcome.run for outcome in self.outcomes if outcome.run and outcome.status == "finished"]
        return marked if len(marked) > 1 else ended

    def action_compare(self) -> None:
        grouped = len(self.markers) < 2 and self.sweep.runs_per_trial > 1
        self.post_message(OpenComparison(self._to_compare(), self.markers, grouped=grouped))

    def action_pause(self) -> None:
        self._do("Paused: no further runs start", lambda: self.folder.update_control(paused=True))

    def action_unpause(self) -> None:
        self._do("Resumed", lambda: self.folder.update_control(paused=False))

    def action_stop(self) -> None:
        self.notify("Stopping: running trials are saved first", timeout=2)
        self._stop_workers()

    @in_thread
    def _stop_workers(self) -> None:
        stop_sweep(self.folder)

    def action_first(self) -> None:
        outcome = self.selected
        if outcome is not None:
            self._do(f"Trial {outcome.job.trial} is next", lambda: self.folder.move_to_front([outcome.job]))

    def action_resume(self) -> None:
        origin, code = sweep_origin(self.folder), sweep_code(self.sweep)
        unknown = unknown_code(origin, code)
        if unknown:
            self.post_message(AskTrust(origin, unknown, lambda _: self._resume(sweep_key(code))))
        else:
            self._resume(sweep_key(code))

    def _resume(self, allowed: str) -> None:
        self._starting = True
        self._do("Resuming in a background process", lambda: self.folder.update_control(paused=False))
        self._start_workers(allowed)

    @in_thread
    def _start_workers(self, allowed: str) -> None:
        try:
            start_sweep_in_background(self.folder, allowed_key=allowed)
        finally:
            self._starting = False

    def action_more(self) -> None:
        known, present = sweep_settings(), self.sweep.options
        names = [name for name in CHANGEABLE_OPTIONS if name != "trials" or present.method != "grid"]
        help = {name: f"{known[f'sweep.{name}'].help}: {format_value(getattr(present, name))}" for name in names}
        options = [(ADD, ADD, "one or several trials of your own"), *((name, name, help[name]) for name in names)]
        self.post_message(AskChoice("Extend the sweep", options, self._extend))

    def _extend(self, chosen: tuple[str, ...]) -> None:
        if chosen == (ADD,):
            self._ask(
                "Settings of the trial, for example optimizer.lr=0.3 training.epochs=20",
                "",
                lambda text: parse_trials(split_assignments(text)),
                self._add,
            )
        else:
            setting = sweep_settings()[f"sweep.{chosen[0]}"]
            self._ask(
                f"sweep.{chosen[0]}: {setting.help}",
                format_value(getattr(self.sweep.options, chosen[0])),
                lambda text: parse_value(setting, text),
                lambda value: self.folder.extend({chosen[0]: value}),
            )

    def _add(self, trials: list[Values]) -> None:
        self.folder.extend(add=trials)
        remember(sweep_origin(self.folder), [code for values in trials for code in code_of(values)])

    def _ask(self, text: str, value: str, parse: Callable[[str], Any], apply: Callable[[Any], None]) -> None:
        """Ask for a value and apply it on enter, while the prompt can still show why the sweep refuses it."""
        self.post_message(AskValue(text, value, lambda text: apply(parse(text)), lambda _: self.tick(), live=False))

    def _do(self, message: str, action: Callable[[], None]) -> None:
        try:
            action()
            self.notify(message, timeout=2, markup=False)
        except TuitrainError as error:
            self.show_error(error)
        self.tick()
