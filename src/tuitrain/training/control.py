"""What happens to a loop beside training: commands, the clock, checkpoints, the state on disk."""

import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from tuitrain.config.formatting import format_value
from tuitrain.errors import ConfigError, TrainingError
from tuitrain.runs.control import Command, Inbox, accepted
from tuitrain.runs.writer import RunWriter
from tuitrain.text import plain
from tuitrain.training import checkpoint
from tuitrain.training import device as devices
from tuitrain.training.data import Progress as Tell
from tuitrain.training.metrics import Window
from tuitrain.training.progress import Progress, snapshot
from tuitrain.training.setup import Job

# Seconds between two looks at the control file.
ATTENTION = 0.1


class Stopped(Exception):
    """The user asked the run to stop; its checkpoint is saved."""


class Detached(Exception):
    """The run is to go on in another process; its checkpoint is saved."""


class Left(Exception):
    """A stop or a hand-over is waiting, and what is done just now is done again later."""


def listen(writer: RunWriter, inbox: Inbox, progress: Tell) -> Tell:
    """`progress` for a preparation that may take hours: the state stays true, and a stop or a hand-over is obeyed.
    Raises Stopped and Detached."""

    def tell(doing: str, fraction: float | None) -> None:
        progress(doing, fraction)
        writer.update(phase=plain(doing, 60))
        for command in inbox.new() if inbox.leaving() else ():
            if command.name == "stop":
                raise Stopped(command.reason)
            if command.name == "detach":
                raise Detached
            if command.name in ("pause", "resume"):
                writer.update(status="paused" if command.name == "pause" else "running")
            else:
                refuse(writer, command, f"{command.name} is for a run that trains, and this one is being prepared.")

    return tell


def refuse(writer: RunWriter, command: Command, why: str) -> None:
    """Say so in the log and the rows."""
    said = f"{why} Asked by {plain(command.by, 60)}."
    writer.log(f"refused: {said}")
    writer.event("refused", said, command.value)


class Steered:
    """A loop that listens, saves and tells.

    `epochs` takes the place of the number in the checkpoint or the configuration.
    """

    def __init__(self, job: Job, writer: RunWriter, inbox: Inbox, epochs: int | None = None) -> None:
        self.job, self.config, self.writer, self.inbox, self._epochs = job, job.config, writer, inbox, epochs
        self.at = Progress(lr=job.config.optimizer.lr, epochs=job.config.training.epochs)
        # No row is longer than an epoch, however large log_every is.
        between_rows = job.config.training.log_every * job.config.optimizer.accumulate
        self.window = Window(min(between_rows, job.batches), job.device)
        self._last = writer.folder.checkpoints / "last.safetensors"
        self._clock: float | None = None
        self._attended = self._saved = time.monotonic()
        self._pending: deque[Command] = deque()

    def _attend(self) -> None:
        """Now and then: commands, the time budget, a checkpoint in mid-epoch."""
        self._attended = time.monotonic()
        self._tell(memory=devices.memory(self.job.device))
        self._pending.extend(self.inbox.new())
        while self._pending:
            self._obey(self._pending.popleft())
        limit = self.config.training.max_minutes
        if limit and self._seconds() > limit * 60 and not self.at.over:
            self.at.over = f"The time budget of {limit:g} minutes is used."
        if self._attended - self._saved > self.config.training.checkpoint_every:
            self._save()

    def _beat(self) -> None:
        """In the midst of an evaluation, which may take long. Raises Left."""
        self.writer.update()
        if time.monotonic() - self._attended >= ATTENTION:
            self._attended = time.monotonic()
            if self.inbox.leaving():
                raise Left

    def _leaving(self, evaluate: Callable[[], None]) -> None:
        """Where the run is to be left in the midst of it, it is left as it was before."""
        before = replace(self.at)
        try:
            evaluate()
        except Left:
            self.at = before
            self._attend()
            raise

    def _obey(self, command: Command) -> None:
        """Do it, keep what has changed, and acknowledge it in the rows."""
        if command.name == "detach" and self._pending:
            # Whoever goes on knows only what comes later.
            self._pending.append(command)
        elif command.name in ("stop", "detach"):
            self._save()
            raise Stopped(command.reason) if command.name == "stop" else Detached
        elif command.name == "pause":
            self._pause(command)
        elif command.name == "checkpoint":
            self._save()
            self.writer.event("checkpoint", command.by)
        elif command.name != "resume":
            self._change(command)

    def _change(self, command: Command) -> None:
        """The learning rate, or the number of epochs."""
        try:
            value = accepted(command.name, command.value, self.at.begun)
        except ConfigError as error:
            refuse(self.writer, command, str(error))
            return
        if command.name == "lr":
            what, before, self.at.lr = "learning rate", self.at.lr, value
            self._keep_rate()
        else:
            what, before = "epochs", self.at.epochs
            self._more(value)
        self._save()
        by = plain(command.by, 60)
        self.writer.log(f"{what} {format_value(before)} -> {format_value(value)} at step {self.at.step:,}, by {by}")
        self.writer.event(command.name, command.by, value)

    def _keep_rate(self) -> None:
        """The state says which learning rate a user has set, the former one, too."""
        if self.at.lr != self.config.optimizer.lr or self.writer.state.lr is not None:
            self.writer.update(lr=self.at.lr)

    def _more(self, epochs: int | None) -> None:
        if epochs:
            self.at.epochs, self.at.over = epochs, ""

    def _pause(self, command: Command) -> None:
        """Hold still until someone says resume; stopping works meanwhile."""
        self._stop_clock()
        self._hold(command)
        while not self._resumed():
            time.sleep(ATTENTION)
            self._tell()
        self._go_on(command)
        self._start_clock()

    def _hold(self, command: Command) -> None:
        self._save()
        self._tell(status="paused")
        self.writer.event("paused", command.by)

    def _go_on(self, command: Command) -> None:
        self._tell(status="running")
        self.writer.event("resumed", command.by)

    def _resumed(self) -> bool:
        """Whether a resume came; the commands after it wait for their turn."""
        self._pending.extend(self.inbox.new())
        while self._pending:
            command = self._pending.popleft()
            if command.name == "resume":
                return True
            if command.name != "pause":
                self._obey(command)
        return False

    def _save(self) -> None:
        """The last checkpoint is always a good one: never of a network whose loss was not finite."""
        self._settle()
        self._check_finite(self.window.losses(), self.at.step)
        if not all(bool(weight.isfinite().all()) for weight in self.job.model.parameters()):
            raise TrainingError(
                f"The weights stopped being finite numbers by step {self.at.step}.", "Try a lower learning rate."
            )
        running = self._clock is not None
        self._stop_clock()
        # The scores of the state are not in the checkpoint, and must not be older than it.
        self._tell(now=True)
        checkpoint.save(self._last, snapshot(self.job, self.at, self.window))
        self._saved = time.monotonic()
        if running:
            self._start_clock()

    def _start_clock(self) -> None:
        self._clock = time.monotonic()

    def _stop_clock(self) -> None:
        self.at.seconds, self._clock = self._seconds(), None

    def _seconds(self) -> float:
        """Of training alone: evaluation, checkpoints and pauses do not count."""
        return self.at.seconds + (time.monotonic() - self._clock if self._clock is not None else 0.0)

    def _tell(self, **changes: Any) -> None:
        at, seconds, per_epoch = self.at, self._seconds(), self.job.steps_per_epoch
        samples = at.samples + self.window.samples
        self.writer.update(
            epoch=at.epoch, epochs=at.epochs, step=at.step, steps=per_epoch * at.epochs,
            steps_per_epoch=per_epoch, seconds=seconds, samples_per_second=samples / seconds if seconds else 0.0,
            **changes,
        )  # fmt: skip

    def _settle(self) -> None:
        """Write the row that is not written yet, because its numbers were still on their way from the device."""
        raise NotImplementedError

    def _check_finite(self, losses: Sequence[float], last: int) -> None:
        """`losses` are of the mini-batches up to the step `last`. Raises TrainingError that names the step at which
        they stopped being numbers."""
        bad = next((place for place, loss in enumerate(losses) if not math.isfinite(loss)), None)
        if bad is None:
            return
        accumulate = self.config.optimizer.accumulate
        step = last - math.ceil(len(losses) / accumulate) + bad // accumulate + 1
        self.writer.event("not-finite", f"the loss of step {step}")
        what = "NaN" if math.isnan(losses[bad]) else "infinite"
        raise TrainingError(
            f"The loss became {what} at step {step} (epoch {self.at.epoch + 1}).",
            f"Try a learning rate below {self.at.lr:g}, gradient clipping or a warm-up.",
        )
