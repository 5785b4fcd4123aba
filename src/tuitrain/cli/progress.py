"""Progress on stderr: a bar on a terminal, otherwise lines."""

import sys
from time import monotonic
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.text import Text

from tuitrain.cli.output import activities
from tuitrain.runs.records import State
from tuitrain.text import counted, plain


class ProgressBar:
    """A description, a bar and more `columns`, shown only on a terminal; `print` writes a line above them."""

    def __init__(self, *columns: ProgressColumn, live: bool = True) -> None:
        self._console = Console(file=sys.__stderr__, highlight=False, soft_wrap=True)
        self._live = live and self._console.is_terminal
        self._progress = Progress(
            TextColumn("{task.description}", markup=False), BarColumn(), *columns,
            console=self._console, refresh_per_second=4, transient=True, disable=not self._live,
        )  # fmt: skip
        self._task = self._progress.add_task("starting", total=None, rate="")

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def print(self, line: str) -> None:
        self._console.print(Text(line))


class RunProgress(ProgressBar):
    """The progress of commands that take long; without a terminal, a line for each activity."""

    def __init__(self) -> None:
        rate = TextColumn("{task.fields[rate]}", markup=False)
        super().__init__(TaskProgressColumn(), rate, TimeRemainingColumn(compact=True))
        self._print_activity = activities(self.print)

    def prepare(self, activity: str, fraction: float | None) -> None:
        if not self._live:
            self._print_activity(activity, fraction)
        self._progress.update(
            self._task, description=activity, total=None if fraction is None else 1.0, completed=fraction or 0
        )

    def show(self, state: State) -> None:
        if state.status == "queued":
            # The log line above has the command that follows a colon.
            waiting = plain(state.phase.partition(":")[0], 60) or "starting"
            self._progress.update(self._task, description=waiting, total=None, rate="")
            return
        epoch = min(state.epoch + 1, state.epochs)
        self._progress.update(
            self._task,
            description=f"epoch {epoch}/{state.epochs}" if state.phase == "training" else plain(state.phase, 40),
            total=state.steps or None,
            completed=state.step,
            rate=f"{state.samples_per_second:,.0f} images/s",
        )


class PredictionProgress(ProgressBar):
    """The progress of `tuitrain predict`; not live if the predictions appear on the terminal."""

    def __init__(self) -> None:
        super().__init__(TextColumn("{task.fields[rate]}", markup=False), live=not sys.stdout.isatty())
        self._count, self._started, self._shown = 0, monotonic(), 0.0

    def show(self, activity: str) -> None:
        self._started = monotonic()
        self._progress.update(self._task, description=activity)

    def count(self) -> None:
        self._count += 1
        now = monotonic()
        if self._live and now - self._shown >= 0.25:
            self._shown = now
            self._progress.update(self._task, rate=self._rate(now))

    def summary(self, failed: int) -> str:
        """Return how many pictures were classified, how fast, and how many failed."""
        return self._rate(monotonic()) + (f" · {failed:,} could not be read" if failed else "")

    def _rate(self, now: float) -> str:
        return f"{counted(self._count, 'picture')} · {self._count / max(1e-6, now - self._started):,.0f} images/s"
