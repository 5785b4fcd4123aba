"""Start the run or sweep that the form describes, now or after the run that trains in this app."""

from pathlib import Path
from typing import Any, ClassVar
from weakref import WeakKeyDictionary

from textual.app import App

from tuitrain.config.code import Code
from tuitrain.config.device_list import several_devices
from tuitrain.config.schema import Config
from tuitrain.config.sweeps import toml as sweep_toml
from tuitrain.errors import ConfigError, RunError
from tuitrain.hosts import background
from tuitrain.hosts.launch import RunSpec
from tuitrain.hosts.sweeps.background import start_sweep_in_background
from tuitrain.hosts.sweeps.create import start_new_sweep
from tuitrain.hosts.trust import Origin, config_code, sweep_code, sweep_key
from tuitrain.runs.folder import RunFolder, shown_status
from tuitrain.runs.records import ACTIVE
from tuitrain.runs.sweeps.folder import SweepFolder
from tuitrain.screens.new_run.form import NewRunForm
from tuitrain.text import plain
from tuitrain.widgets.forms.draft import brief
from tuitrain.widgets.forms.form import NAME, RUNS_IN
from tuitrain.widgets.forms.start_line import StartLine
from tuitrain.widgets.messages import AskChoice, AskTrust, OpenRun, OpenSweep

BUSY = "This app is already preparing a run. Choose 'background process' here, or wait until that run trains."


class NewRunStart(NewRunForm):
    """Start what the form describes; `started` tells whether a run or sweep has started."""

    # The last run that each app has queued.
    _queued: ClassVar[WeakKeyDictionary[App[Any], RunFolder]] = WeakKeyDictionary()
    started = False

    def on_press_field_pressed(self) -> None:
        if not self.line.busy:
            self.action_start()

    def action_start(self) -> None:
        self._validate()
        config = self.result.config
        if config is None:
            self.refuse("Not started")
        elif unknown := [code for code in self._code(config) if code in self._draft.unknown]:
            origin = self._draft.origin or Origin("file", self._draft.source)
            self.post_message(AskTrust(origin, unknown, lambda _: self._start_allowed(config)))
        else:
            self._start_allowed(config)

    def _code(self, config: Config) -> list[Code]:
        return sweep_code(self.result.sweep()) if self.result.is_sweep else config_code(config)

    def _start_allowed(self, config: Config) -> None:
        """Start the run or sweep of the form. The user has typed or allowed its code."""
        self._draft.unknown = []
        if self.result.is_sweep:
            text = sweep_toml.dumps(self.result.sweep(self._draft.name))
            self.line.start_in_background(lambda: _start_sweep(self._runs_dir, text))
        else:
            self._start(
                RunSpec(
                    config=config,
                    runs_dir=self._runs_dir,
                    name=self._draft.name,
                    original=self._draft.original,
                    command=self.command(),
                )
            )
        self.make_room()
        self._update_keys()

    def _start(self, spec: RunSpec) -> None:
        if self.form.in_background or several_devices(spec.config.training.devices):
            self.line.start_in_background(lambda: background.start_in_background(spec))
        elif self._host.busy:
            self._ask_when(spec)
        else:
            self.line.start_here(spec)

    def _ask_when(self, spec: RunSpec) -> None:
        """Ask when to start a run while another one trains in this app."""
        current = self._host.folder
        if current is None:
            self.form.focus_key(RUNS_IN)
            self.show_message(BUSY)
            return
        last = self._queued.get(self.app, current)
        try:
            after = last if shown_status(last.state()) in ACTIVE else current
            name = plain(after.info().name, 40)
        except RunError as error:
            self.show_message(plain(error))
            return

        def start(chosen: tuple[str, ...]) -> None:
            if chosen == ("queue",):
                self.line.start_in_background(lambda: self._queue(spec, after))
            else:
                self.line.start_in_background(lambda: background.start_in_background(spec))
            self._update_keys()

        options = [
            ("queue", "queue", f"when {name} has ended, in a background process"),
            ("now", "start now", "in parallel, in a background process"),
        ]
        self.post_message(AskChoice("This app is already training a run", options, start))

    def _queue(self, spec: RunSpec, after: RunFolder) -> RunFolder:
        folder = background.start_in_background(spec, after)
        self._queued[self.app] = folder
        return folder

    def _update_keys(self) -> None:
        self.form.set_locked(self.line.busy)
        self.refresh_bindings()

    def on_start_line_started(self, event: StartLine.Started) -> None:
        self.started = True
        self.form.fields[NAME].text = ""
        if isinstance(event.folder, RunFolder):
            self.post_message(OpenRun(event.folder, replace=True))
        else:
            self.app.post_message(OpenSweep(event.folder))
            self.app.pop_screen()

    def on_start_line_failed(self, event: StartLine.Failed) -> None:
        self._update_keys()
        error = event.error
        if isinstance(error, ConfigError) and error.key in self.form.fields:
            self._late_errors = {error.key: plain(brief(error))}
            self._mark_fields()
            self.form.focus_key(error.key)


def _start_sweep(runs_dir: Path, text: str) -> SweepFolder:
    folder = start_new_sweep(runs_dir, text)
    start_sweep_in_background(folder, allowed_key=sweep_key(sweep_code(folder.sweep())))
    return folder
