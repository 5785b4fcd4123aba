"""What can be done to the runs of a table: train on or again, rename, tag, note, delete."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from textual import work
from textual.binding import Binding, BindingType

from tuitrain.analysis.table.group_rows import Bundle
from tuitrain.errors import RunError, TuitrainError
from tuitrain.hosts.background import start_in_background
from tuitrain.hosts.launch import RunSpec
from tuitrain.runs.catalog import edit
from tuitrain.runs.catalog.listing import Entry
from tuitrain.runs.files import read
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.writer import is_default_name
from tuitrain.text import plain
from tuitrain.widgets.messages import AskChoice, AskValue, OpenNewRun, ResumeRun
from tuitrain.widgets.terminal.refresh import PollingScreen

if TYPE_CHECKING:
    from tuitrain.hosts.export import Format

RESUMABLE = ("interrupted", "stopped", "failed")
EXPORTS: dict["Format", str] = {
    "csv": "the rows as a table, for pandas and spreadsheets",
    "tensorboard": "the rows and settings as an event file",
    "safetensors": "the last weights",
    "onnx": "the network with the last weights",
}
ACTIVE = ("queued", "running", "paused")
# What another tool's run is no subject of.
CHANGING = ("resume", "clone", "rerun", "rename", "tags", "notes", "delete")
# What cannot be done to several runs at a time.
SINGLE = ("rename", "notes", "rerun", "resume", "export")
CHANGES: list[BindingType] = [
    Binding("r", "resume", "resume", tooltip="Train on what was interrupted or stopped", id="runs.resume"),
    Binding("y", "clone", "clone", tooltip="A new run with the settings of this one", id="runs.clone"),
    Binding("Y", "rerun", tooltip="Train the same again, in a new run", show=False, id="runs.rerun"),
    Binding("R", "rename", tooltip="Rename the run", show=False, id="runs.rename"),
    Binding("t", "tags", tooltip="Tag the run, or all marked where it is marked", show=False, id="runs.tags"),
    Binding("N", "notes", tooltip="Write a note to the run", show=False, id="runs.notes"),
    Binding("E", "export", tooltip="Write rows or weights for other programs", show=False, id="runs.export"),
    Binding("x", "delete", "delete", tooltip="Delete the run, or all marked where it is marked", id="runs.delete"),
    Binding("u", "undo", "undo", tooltip="Bring back what was deleted last", id="runs.undo"),
]


class Deletion(NamedTuple):
    """Of each of the `runs`: where it lay, and where it lies."""

    what: str
    runs: list[tuple[RunFolder, RunFolder]]


class RunActions(PollingScreen):
    """`runs_dir` holds the runs; `selected` is the one that is meant, `targets` all of them; `changed` reads again."""

    runs_dir: Path
    _deleted: list[Deletion]

    @property
    def undoes(self) -> str:
        """What `u` brings back, in words; empty where it does not."""
        if not self._deleted:
            return ""
        last = self._deleted[-1]
        return f"{last.what} deleted (u brings {'it' if len(last.runs) == 1 else 'them'} back)"

    @property
    def selected(self) -> Entry | None:
        raise NotImplementedError

    @property
    def targets(self) -> list[Entry]:
        raise NotImplementedError

    def changed(self) -> None:
        raise NotImplementedError

    def __init__(self) -> None:
        super().__init__()
        self._deleted = []

    def possible(self, action: str) -> bool | None:
        """Whether a change works now; None for an action that is none of these."""
        run = self.selected
        if action in SINGLE and isinstance(run, Bundle):
            return False
        if action in CHANGING and run is not None and run.folder.read_only:
            return action in ("tags", "delete") and not all(one.folder.read_only for one in self.targets)
        if action in ("clone", "rerun", "rename", "tags", "notes", "export"):
            return run is not None and run.status != "damaged"
        if action == "resume":
            return run is not None and run.status in RESUMABLE
        if action == "delete":
            return run is not None and run.status not in ACTIVE
        return bool(self._deleted) if action == "undo" else None

    def action_clone(self) -> None:
        if (run := self.selected) is not None:
            self.post_message(OpenNewRun(run.config, run.info))

    def action_resume(self) -> None:
        if (run := self.selected) is not None:
            self.post_message(ResumeRun(run.folder))

    def action_rerun(self) -> None:
        if (run := self.selected) is None:
            return
        try:
            original = read(run.folder.config_file).decode("utf-8", "replace")
        except RunError as error:
            self._say(error)
            return
        name = "" if is_default_name(run.info.name, run.config) else run.info.name
        spec = RunSpec(
            config=run.config, runs_dir=self.runs_dir, name=name, original=original,
            command=f"tuitrain: the settings of {run.folder.id} again",
        )  # fmt: skip
        self.notify(f"{plain(run.info.name, 60)} starts again, in a process of its own.", timeout=3, markup=False)
        self._begin(partial(start_in_background, spec))

    @work(thread=True, exit_on_error=False)
    def _begin(self, begin: Callable[[], object]) -> None:
        """In a process of its own: whatever ended it before, this terminal will not."""
        try:
            begin()
        except TuitrainError as error:
            self.app.call_from_thread(self._say, error)
        self.app.call_from_thread(self.changed)

    def _say(self, error: TuitrainError) -> None:
        self.notify(str(error), severity="error", markup=False)

    def _ask(
        self,
        text: str,
        value: str,
        check: Callable[[str], object],
        change: Callable[[str], None],
        *,
        kept: bool = False,
    ) -> None:
        def answer(text: str | None) -> None:
            if text is None:
                return
            try:
                change(text)
            except RunError as error:
                self._say(error)
            self.changed()

        self.post_message(AskValue(text, value, check, answer, kept=kept))

    def action_rename(self) -> None:
        if (run := self.selected) is not None:
            self._ask(
                f"Name of {plain(run.folder.id)}", run.info.name, edit.check_name, partial(edit.rename, run.folder)
            )

    def action_notes(self) -> None:
        if (run := self.selected) is not None:
            text = f"Note to {plain(run.info.name, 60)}"
            self._ask(text, run.info.notes, edit.check_notes, partial(edit.set_notes, run.folder), kept=True)

    def action_tags(self) -> None:
        targets = [run for run in self.targets if run.status != "damaged" and not run.folder.read_only]

        def change(text: str) -> None:
            for run in targets:
                edit.set_tags(run.folder, edit.retag(run.info.tags, text))

        if targets:
            known = dict.fromkeys(tag for run in targets for tag in run.info.tags)
            whose = plain(targets[0].info.name, 60) if len(targets) == 1 else f"the {len(targets)} marked runs"
            text = f"Tags of {whose}: {plain(' '.join(known), 200) or 'none'}\nnew adds one, -old takes one away"
            self._ask(text, "", partial(edit.retag, []), change)

    def action_export(self) -> None:
        if (run := self.selected) is not None:
            options = [(format, format, about) for format, about in EXPORTS.items()]
            text = f"Export {plain(run.info.name, 60)} as"
            self.post_message(AskChoice(text, options, partial(self._export_to, run.folder)))

    def _export_to(self, folder: RunFolder, chosen: tuple[str, ...] | None) -> None:
        from tuitrain.hosts.export import check_destination, default_path

        format = next((format for format in EXPORTS if chosen == (format,)), None)
        if format is None:
            return

        def answer(text: str | None) -> None:
            if text is not None:
                self._export(folder, format, Path(text).expanduser())

        what = "Folder" if format == "tensorboard" else "File"
        check = partial(check_destination, format=format)
        self.post_message(
            AskValue(f"{what} to write, seen from {plain(Path.cwd())}", str(default_path(folder, format)),
                     lambda text: check(Path(text).expanduser()), answer)
        )  # fmt: skip

    @work(thread=True, exit_on_error=False)
    def _export(self, folder: RunFolder, format: "Format", path: Path) -> None:
        from tuitrain.hosts.export import export_in_subprocess

        say = partial(self.app.call_from_thread, self.notify, markup=False)
        say(f"Writing {plain(path)} …", timeout=3)
        try:
            export_in_subprocess(folder, format, path)
        except TuitrainError as error:
            say(str(error), severity="error")
        else:
            say(f"Written: {plain(path)}", timeout=5)

    def action_delete(self) -> None:
        deleted, names = [], []
        for run in self.targets:
            try:
                deleted.append((run.folder, edit.trash(run.folder, self.runs_dir)))
                names.append(plain(run.info.name, 40))
            except RunError as error:
                self._say(error)
        if deleted:
            self._deleted.append(Deletion(names[0] if len(names) == 1 else f"{len(names):,} runs", deleted))
        self.changed()

    def action_undo(self) -> None:
        for original, thrown in self._deleted.pop().runs:
            try:
                edit.restore(thrown, original)
            except RunError as error:
                self._say(error)
        self.changed()
