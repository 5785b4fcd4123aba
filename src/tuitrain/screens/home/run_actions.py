"""Act on the runs of the table: resume, clone, rename, tag, annotate, export, delete."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar

from textual.binding import Binding, BindingType

from tuitrain.analysis.table.group_rows import GroupRow
from tuitrain.errors import RunError
from tuitrain.hosts.background import start_in_background
from tuitrain.hosts.launch import RunSpec
from tuitrain.hosts.trust import config_code, run_origin, unknown_code
from tuitrain.runs.catalog import edit
from tuitrain.runs.catalog.listing import Entry
from tuitrain.runs.files import read
from tuitrain.runs.fitting import fitting_texts
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.records import ACTIVE
from tuitrain.runs.writer import next_name, user_named
from tuitrain.screens.home.view import HomeView
from tuitrain.text import counted, plain
from tuitrain.widgets.messages import AskTrust, AskValue, OpenNewRun, OpenPrediction, ResumeRun
from tuitrain.widgets.threads import in_thread

T = TypeVar("T")
RESUMABLE = ("interrupted", "stopped", "failed")
# Actions that runs of other tools do not support.
EDITS = ("rename", "tags", "notes", "delete")
OWN_RUNS_ONLY = ("resume", "fit", "clone", "rerun", "rename", "tags", "notes", "delete", "predict")
# Actions that apply to one run at a time.
SINGLE_RUN_ONLY = ("rename", "notes", "rerun", "resume", "fit", "predict")
RUN_BINDINGS: list[BindingType] = [
    Binding("r", "resume", "resume", tooltip="Resume the interrupted, stopped or failed run", id="runs.resume"),
    Binding("Z", "fit", "fit memory", tooltip="Set up a new run that fits into the memory", id="runs.fit"),
    Binding("y", "clone", "clone", tooltip="Set up a new run from these settings", id="runs.clone"),
    Binding("Y", "rerun", tooltip="Run the same settings again", show=False, id="runs.rerun"),
    Binding("R", "rename", tooltip="Rename the run", show=False, id="runs.rename"),
    Binding("t", "tags", tooltip="Edit the tags of the run, or of all marked runs", show=False, id="runs.tags"),
    Binding("N", "notes", tooltip="Edit the run's note", show=False, id="runs.notes"),
    Binding("E", "export", tooltip="Export the table, or metrics or weights of the run", show=False, id="runs.export"),
    Binding("F", "predict", tooltip="Classify picture files with the run", show=False, id="runs.predict"),
    Binding("x", "delete", "delete", tooltip="Delete the run, or all marked runs", id="runs.delete"),
    Binding("u", "undo", "undo", tooltip="Undo the last deletion, name, tags or note", id="runs.undo"),
]


class Undo(NamedTuple):
    """A change that `u` takes back by calling `steps`, each of which may raise RunError."""

    description: str
    steps: list[Callable[[], None]]


class RunActions(HomeView):
    """Act on the run under the cursor, or on all marked runs if it is one of them."""

    def __init__(self, runs_dir: Path) -> None:
        super().__init__(runs_dir)
        self._undos: list[Undo] = []

    @property
    def undo_hint(self) -> str:
        """What the last change was and how to undo it; empty if there is nothing to undo."""
        return f"{self._undos[-1].description} (u undoes)" if self._undos else ""

    def reload(self) -> None:
        """Read all runs again, including those that seem unchanged, and draw them."""
        raise NotImplementedError

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        run = self.selected
        if action in SINGLE_RUN_ONLY and isinstance(run, GroupRow):
            return False
        if action in OWN_RUNS_ONLY and run is not None and run.folder.read_only:
            if action not in EDITS:
                return False
            if not run.folder.editable:
                return action in ("tags", "delete") and any(target.folder.editable for target in self.targets)
        if action == "export":
            return run is not None
        if action in ("clone", "rerun", "rename", "tags", "notes", "predict"):
            return run is not None and run.status != "damaged"
        if action == "fit":
            return run is not None and bool(run.state.fitting)
        if action == "resume":
            return run is not None and run.status in RESUMABLE
        if action == "delete":
            return run is not None and run.status not in ACTIVE
        if action == "undo":
            return bool(self._undos)
        return super().check_action(action, parameters)

    def action_clone(self) -> None:
        if (run := self.selected) is not None:
            self.post_message(OpenNewRun(run.config, run.info))

    def action_fit(self) -> None:
        if (run := self.selected) is not None:
            self.post_message(OpenNewRun(run.config, run.info, fitting_texts(run.state)))

    def action_predict(self) -> None:
        if (run := self.selected) is not None:
            self.post_message(OpenPrediction(run.folder))

    def action_resume(self) -> None:
        if (run := self.selected) is not None:
            self.post_message(ResumeRun(run.folder))

    def action_rerun(self) -> None:
        if (run := self.selected) is None:
            return
        try:
            original = read(run.folder.config_file).decode("utf-8", "replace")
        except RunError as error:
            self.show_error(error)
            return
        name = next_name(run.info.name, self.runs_dir) if user_named(run.info, run.config) else ""
        spec = RunSpec(
            config=run.config, runs_dir=self.runs_dir, name=name, original=original,
            command=f"tuitrain: the settings of {run.folder.id} again",
        )  # fmt: skip
        origin = run_origin(run.folder)
        unknown = unknown_code(origin, config_code(run.config))
        if unknown:
            self.post_message(AskTrust(origin, unknown, lambda _: self._rerun(run, spec)))
        else:
            self._rerun(run, spec)

    def _rerun(self, run: Entry, spec: RunSpec) -> None:
        message = f"Started a run with the settings of {plain(run.info.name, 60)} in the background"
        self.notify(message, timeout=3, markup=False)
        self._start(spec)

    @in_thread
    def _start(self, spec: RunSpec) -> None:
        try:
            start_in_background(spec)
        finally:
            self.call_later(self.reload)

    def _change(self, runs: Sequence[Entry], done: str, change: Callable[[Entry], Callable[[], None]]) -> None:
        """Call `change` for each run; it returns the step back for `u`, or raises RunError."""
        changed: list[Entry] = []
        steps: list[Callable[[], None]] = []
        for run in runs:
            try:
                steps.append(change(run))
                changed.append(run)
            except RunError as error:
                self.show_error(error)
        if changed:
            self._undos.append(Undo(f"{_names(changed)} {done}", steps))
        self.reload()

    def action_rename(self) -> None:
        if (run := self.selected) is None:
            return

        def rename(name: str) -> None:
            self._change([run], "renamed", lambda run: _edit(edit.rename, run.folder, run.info.name, name))

        self.post_message(AskValue(f"Rename {plain(run.info.name, 60)}", run.info.name, edit.check_name, rename))

    def action_notes(self) -> None:
        if (run := self.selected) is None:
            return

        def annotate(notes: str) -> None:
            self._change([run], "annotated", lambda run: _edit(edit.set_notes, run.folder, run.info.notes, notes))

        title = f"Note on {plain(run.info.name, 60)}"
        self.post_message(AskValue(title, run.info.notes, edit.check_notes, annotate, kept=True))

    def action_tags(self) -> None:
        targets = [run for run in self.targets if run.status != "damaged" and run.folder.editable]
        if not targets:
            return

        def retag(words: str) -> None:
            def change(run: Entry) -> Callable[[], None]:
                return _edit(edit.set_tags, run.folder, run.info.tags, edit.retag(run.info.tags, words))

            self._change(targets, "tagged", change)

        tags = dict.fromkeys(tag for run in targets for tag in run.info.tags)
        name = plain(targets[0].info.name, 60) if len(targets) == 1 else f"the {len(targets)} marked runs"
        text = f"Tags of {name}: {plain(' '.join(tags), 200) or 'none'}\nTag to add, or -tag to remove"
        self.post_message(AskValue(text, "", partial(edit.retag, []), retag))

    def exported_run(self) -> tuple[RunFolder, str] | None:
        run = self.selected
        if run is None or run.status == "damaged" or isinstance(run, GroupRow):
            return None
        return run.folder, f"{plain(run.info.name, 40)}: "

    def action_delete(self) -> None:
        self._change(
            self.targets,
            "deleted",
            lambda run: partial(edit.restore, edit.trash(run.folder, self.runs_dir), run.folder),
        )

    def action_undo(self) -> None:
        for step in self._undos.pop().steps:
            try:
                step()
            except RunError as error:
                self.show_error(error)
        self.reload()


def _edit(write: Callable[[RunFolder, T], None], folder: RunFolder, old: T, new: T) -> Callable[[], None]:
    """Write `new` and return the step that writes `old` again."""
    write(folder, new)
    return partial(write, folder, old)


def _names(runs: Sequence[Entry]) -> str:
    return plain(runs[0].info.name, 40) if len(runs) == 1 else counted(len(runs), "run")
