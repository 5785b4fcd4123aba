"""Start the run or sweep that the form describes, now or after the run that trains in this app."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar
from weakref import WeakKeyDictionary

from textual.app import App

from tuitrain.config import preferences
from tuitrain.config.code import Code
from tuitrain.config.devices import is_distributed
from tuitrain.config.schema import Config
from tuitrain.config.sweeps import toml as sweep_toml
from tuitrain.errors import ConfigError, RunError
from tuitrain.hosts import background
from tuitrain.hosts.launch import RunSpec
from tuitrain.hosts.queue.enqueue import enqueue, enqueue_new_sweep
from tuitrain.hosts.slurm.script import split_options
from tuitrain.hosts.slurm.submit import submit_run
from tuitrain.hosts.slurm.sweep import SWEEP_WORKERS, submit_new_sweep
from tuitrain.hosts.sweeps.background import start_sweep_in_background
from tuitrain.hosts.sweeps.create import start_new_sweep
from tuitrain.hosts.trust import Origin, config_code, sweep_code, sweep_key
from tuitrain.runs.folder import RunFolder, shown_status
from tuitrain.runs.records import ACTIVE
from tuitrain.runs.sweeps.folder import SweepFolder
from tuitrain.screens.new_run.form import NewRunForm
from tuitrain.text import plain
from tuitrain.widgets.forms.draft import brief
from tuitrain.widgets.forms.form import BACKGROUND, NAME, QUEUE, RUNS_IN, SLURM
from tuitrain.widgets.forms.start_line import StartLine
from tuitrain.widgets.messages import AskChoice, AskTrust, AskValue, OpenRun, OpenSweep

BUSY = "This app is already preparing a run. Choose 'background process' here, or wait until that run trains."


class NewRunStart(NewRunForm):
    """Start what the form describes; `started` tells whether a run or sweep has started."""

    # The last run that waits in each app for the end of another one.
    _last: ClassVar[WeakKeyDictionary[App[Any], RunFolder]] = WeakKeyDictionary()
    started = False
    # The settings that were last not started because of a problem in their preview.
    _refused: Config | None = None

    def on_press_field_pressed(self) -> None:
        if not self.line.busy:
            self.action_start()

    def action_start(self) -> None:
        if self.started:
            return  # The form is about to close.
        self._validate()
        config = self.result.config
        if config is None:
            self.refuse("Not started")
        elif unknown := [code for code in self._code(config) if code in self._draft.unknown]:
            origin = self._draft.origin or Origin("file", self._draft.source)
            self.post_message(AskTrust(origin, unknown, lambda _: self._start_allowed(config)))
        elif problem := self._known_problem(config):
            self.show_message(f"Not started: {problem} Press the key again to start anyway.")
        else:
            self._start_allowed(config)

    def _known_problem(self, config: Config) -> str:
        """Return why the run would fail, which the preview has found out, or an empty text. Return it only once for the
        same settings, because the files that the preview has seen may change."""
        preview, before = self.preview, self._refused
        if preview is None or not preview.problem or preview.config != config or before == config:
            return ""
        self._refused = config
        return plain(preview.problem)

    def _code(self, config: Config) -> list[Code]:
        return sweep_code(self.result.sweep()) if self.result.is_sweep else config_code(config)

    def _start_allowed(self, config: Config) -> None:
        """Start the run or sweep of the form. The user has typed or allowed its code."""
        self._draft.unknown = []
        if self.result.is_sweep:
            text = sweep_toml.dumps(self.result.sweep(self._draft.name))
            if self.form.runs_in == SLURM:
                self._submit(lambda: submit_new_sweep(self._runs_dir, text, SWEEP_WORKERS))
            else:
                start = enqueue_new_sweep if self.form.runs_in == QUEUE else _start_sweep
                self.line.start_in_background(lambda: start(self._runs_dir, text))
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
        if self.form.runs_in == QUEUE:
            self.line.start_in_background(lambda: enqueue(spec))
        elif self.form.runs_in == SLURM:
            self._submit(lambda: submit_run(spec))
        elif self.form.runs_in == BACKGROUND or is_distributed(spec.config):
            self.line.start_in_background(lambda: background.start_in_background(spec))
        elif self._host.busy:
            self._ask_when(spec)
        else:
            self.line.start_here(spec)

    def _submit(self, submit: Callable[[], RunFolder | SweepFolder]) -> None:
        """Ask for the options of sbatch, keep them for the next job, and submit."""

        def start(text: str) -> None:
            preferences.update(sbatch=text.strip())
            self.line.start_in_background(submit)
            self.make_room()
            self._update_keys()

        text = "Options of sbatch, such as --partition=gpu --gres=gpu:1 --time=4:00:00; kept for the next job"
        self.post_message(AskValue(text, preferences.load().sbatch, split_options, start, kept=True))

    def _ask_when(self, spec: RunSpec) -> None:
        """Ask when to start a run while another one trains in this app."""
        current = self._host.folder
        if current is None:
            self.form.focus_key(RUNS_IN)
            self.show_message(BUSY)
            return
        last = self._last.get(self.app, current)
        try:
            after = last if shown_status(last.state()) in ACTIVE else current
            name = plain(after.info().name, 40)
        except RunError as error:
            self.show_message(plain(error))
            return

        def start(chosen: tuple[str, ...]) -> None:
            if chosen == ("after",):
                self.line.start_in_background(lambda: self._start_after(spec, after))
            elif chosen == ("queue",):
                self.line.start_in_background(lambda: enqueue(spec))
            else:
                self.line.start_in_background(lambda: background.start_in_background(spec))
            self._update_keys()

        options = [
            ("after", "start after it", f"when {name} has ended, in a background process"),
            ("queue", "queue", "when a device is free, in the queue of this runs folder: tuitrain queue"),
            ("now", "start now", "in parallel, in a background process"),
        ]
        self.post_message(AskChoice("This app is already training a run", options, start))

    def _start_after(self, spec: RunSpec, after: RunFolder) -> RunFolder:
        folder = background.start_in_background(spec, after)
        self._last[self.app] = folder
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
