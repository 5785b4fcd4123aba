"""What can be asked of a sweep while it goes on: pause, stop, another order, more runs."""

from collections.abc import Callable, Sequence
from typing import Any

from textual import work
from textual.binding import Binding, BindingType

from tuitrain.config.formatting import format_value
from tuitrain.config.sweeps.overrides import parse_trials, split_assignments
from tuitrain.config.sweeps.sweep import Sweep, Values, sweep_settings
from tuitrain.config.values import parse_value
from tuitrain.errors import TuitrainError
from tuitrain.hosts.sweeps.background import start_sweep_in_background, stop_sweep
from tuitrain.runs.sweeps.folder import OPEN, SweepFolder
from tuitrain.runs.sweeps.index import Outcome
from tuitrain.widgets.messages import AskChoice, AskValue
from tuitrain.widgets.terminal.refresh import PollingScreen

ADD = "add"
SWEEP_CHANGES: list[BindingType] = [
    Binding("p", "pause", "pause", tooltip="Begin no further runs", id="sweep.pause"),
    Binding("p", "go_on", "go on", tooltip="Begin runs again", id="sweep.go_on"),
    Binding("s", "stop", "stop", tooltip="Save the runs that go on, and end; r goes on", id="sweep.stop"),
    Binding("r", "resume", "resume", tooltip="Go on, in a process of its own", id="sweep.resume"),
    Binding("f", "first", "first", tooltip="Do this run before all others", id="sweep.first"),
    Binding("m", "more", "more", tooltip="More trials, seeds, runs at a time or minutes", id="sweep.more"),
]


class SweepActions(PollingScreen):
    """`folder` is the sweep's; `selected` is the run under the cursor; `status` is the sweep's."""

    folder: SweepFolder
    status: str = ""
    # From the key r until somebody works on it: pressed again, the key must not bring twice as many.
    _begins = False

    @property
    def sweep(self) -> Sweep:
        raise NotImplementedError

    @property
    def selected(self) -> Outcome | None:
        raise NotImplementedError

    def possible(self, action: str) -> bool | None:
        """Whether a change works now; None for an action that is none of these."""
        if action == "pause":
            return self.status == "running"
        if action == "go_on":
            return self.status == "paused"
        if action == "stop":
            return self.status in ("running", "paused")
        if action == "resume":
            return self.status == "stopped" and not self._begins
        if action == "first":
            return self.selected is not None and self.selected.status == "queued"
        return bool(self.status) if action == "more" else None

    def action_pause(self) -> None:
        self._do("No further run begins.", lambda: self.folder.ask(paused=True))

    def action_go_on(self) -> None:
        self._do("Runs begin again.", lambda: self.folder.ask(paused=False))

    def action_stop(self) -> None:
        self._do("The runs are saved; then it ends.", lambda: stop_sweep(self.folder))

    def action_first(self) -> None:
        one = self.selected
        if one is not None:
            self._do(f"Trial {one.job.trial} comes first.", lambda: self.folder.first([one.job]))

    def action_resume(self) -> None:
        self._begins = True
        self._do("It goes on, in a process of its own.", lambda: self.folder.ask(paused=False))
        self._begin()

    @work(thread=True, exit_on_error=False)
    def _begin(self) -> None:
        try:
            start_sweep_in_background(self.folder)
        except TuitrainError as error:
            self.app.call_from_thread(self.notify, str(error), severity="error", markup=False)
        finally:
            self._begins = False

    def action_more(self) -> None:
        known, now = sweep_settings(), self.sweep.options
        names = [name for name in OPEN if name != "trials" or now.method != "grid"]
        about = {name: f"{known[f'sweep.{name}'].help}: {format_value(getattr(now, name))}" for name in names}
        options = [(ADD, ADD, "a trial of your own, or several"), *((name, name, about[name]) for name in names)]
        self.post_message(AskChoice("More, or otherwise", options, self._more))

    def _more(self, chosen: tuple[str, ...] | None) -> None:
        if chosen == (ADD,):
            self._ask("Settings of the trial, as optimizer.lr=0.3 training.epochs=20", "", _trials, self._add)
        elif chosen:
            wanted = sweep_settings()[f"sweep.{chosen[0]}"]
            self._ask(
                f"sweep.{chosen[0]}: {wanted.help}",
                format_value(getattr(self.sweep.options, chosen[0])),
                lambda text: parse_value(wanted, text),
                lambda value: self.folder.extend({chosen[0]: value}),
            )

    def _add(self, values: Sequence[Values]) -> None:
        self.folder.extend(add=values)

    def _ask(self, what: str, present: str, read: Callable[[str], Any], change: Callable[[Any], None]) -> None:
        """At enter, so that what the sweep as a whole refuses is said where it can be mended."""

        def answer(text: str | None) -> None:
            if text is not None:
                self.tick()

        self.post_message(AskValue(what, present, lambda text: change(read(text)), answer, live=False))

    def _do(self, said: str, do: Callable[[], None]) -> None:
        try:
            do()
            self.notify(said, timeout=2, markup=False)
        except TuitrainError as error:
            self.notify(str(error), severity="error", markup=False)
        self.tick()


def _trials(text: str) -> list[Values]:
    return parse_trials(split_assignments(text))
