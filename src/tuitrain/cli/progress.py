"""The progress bar of `tuitrain train`: on stderr where that is a terminal, else lines of talk."""

import sys
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.text import Text

from tuitrain.runs.records import State
from tuitrain.text import plain


class Bar:
    def __init__(self) -> None:
        self._console = Console(file=sys.__stderr__, highlight=False, soft_wrap=True)
        self._live = self._console.is_terminal
        self._progress = Progress(
            TextColumn("{task.description}", markup=False), BarColumn(), TaskProgressColumn(),
            TextColumn("{task.fields[rate]}", markup=False), TimeRemainingColumn(compact=True),
            console=self._console, refresh_per_second=4, transient=True, disable=not self._live,
        )  # fmt: skip
        self._task = self._progress.add_task("starting", total=None, rate="")
        self._doing = ""

    def __enter__(self) -> "Bar":
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def say(self, line: str) -> None:
        self._console.print(Text(line))

    def prepare(self, doing: str, fraction: float | None) -> None:
        if not self._live and doing != self._doing:
            self.say(doing)
        self._doing = doing
        self._progress.update(
            self._task, description=doing, total=None if fraction is None else 1.0, completed=fraction or 0
        )

    def show(self, state: State) -> None:
        epoch = min(state.epoch + 1, state.epochs)
        self._progress.update(
            self._task,
            description=f"epoch {epoch}/{state.epochs}" if state.phase == "training" else plain(state.phase, 40),
            total=state.steps or None,
            completed=state.step,
            rate=f"{state.samples_per_second:,.0f} images/s",
        )
