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
from tuitrain.training.metrics import RunningMetrics
from tuitrain.training.progress import TrainingProgress, checkpoint_state
from tuitrain.training.setup import Setup

# Seconds between two looks at the control file.
POLL_INTERVAL = 0.1


class Stopped(Exception):
    """The user asked the run to stop; its checkpoint is saved."""


class Detached(Exception):
    """The run is to go on in another process; its checkpoint is saved."""


class EvaluationAborted(Exception):
    """A stop or a hand-over is waiting, and what is done just now is done again later."""


def preparation_progress(writer: RunWriter, inbox: Inbox, progress: Tell) -> Tell:
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


class ControlledLoop:
    """A loop that listens, saves and tells.

    `epochs` takes the place of the number in the checkpoint or the configuration.
    """

    def __init__(self, setup: Setup, writer: RunWriter, inbox: Inbox, epochs: int | None = None) -> None:
        self.setup, self.config, self.writer, self.inbox, self._epochs = setup, setup.config, writer, inbox, epochs
        self.progress = TrainingProgress(lr=setup.config.optimizer.lr, epochs=setup.config.training.epochs)
        # No row is longer than an epoch, however large log_every is.
        between_rows = setup.config.training.log_every * setup.config.optimizer.accumulate
        self.metrics = RunningMetrics(min(between_rows, setup.batches_per_epoch), setup.device)
        self._last = writer.folder.checkpoints / "last.safetensors"
        self._clock: float | None = None
        self._polled = self._saved = time.monotonic()
        self._pending: deque[Command] = deque()

    def _poll_commands(self) -> None:
        """Now and then: commands, the time budget, a checkpoint in mid-epoch."""
        self._polled = time.monotonic()
        self._update_state(memory=devices.memory_in_use(self.setup.device))
        self._pending.extend(self.inbox.new())
        while self._pending:
            self._apply(self._pending.popleft())
        limit = self.config.training.max_minutes
        if limit and self._training_seconds() > limit * 60 and not self.progress.over:
            self.progress.over = f"The time budget of {limit:g} minutes is used."
        if self._polled - self._saved > self.config.training.checkpoint_every:
            self._save_checkpoint()

    def _heartbeat(self) -> None:
        """In the midst of an evaluation, which may take long. Raises EvaluationAborted."""
        self.writer.update()
        if time.monotonic() - self._polled >= POLL_INTERVAL:
            self._polled = time.monotonic()
            if self.inbox.leaving():
                raise EvaluationAborted

    def _abortable(self, evaluate: Callable[[], None]) -> None:
        """Where the run is to be left in the midst of it, it is left as it was before."""
        before = replace(self.progress)
        try:
            evaluate()
        except EvaluationAborted:
            self.progress = before
            self._poll_commands()
            raise

    def _apply(self, command: Command) -> None:
        """Do it, keep what has changed, and acknowledge it in the rows."""
        if command.name == "detach" and self._pending:
            # Whoever goes on knows only what comes later.
            self._pending.append(command)
        elif command.name in ("stop", "detach"):
            self._save_checkpoint()
            raise Stopped(command.reason) if command.name == "stop" else Detached
        elif command.name == "pause":
            self._pause(command)
        elif command.name == "checkpoint":
            self._save_checkpoint()
            self.writer.event("checkpoint", command.by)
        elif command.name != "resume":
            self._apply_setting(command)

    def _apply_setting(self, command: Command) -> None:
        """The learning rate, or the number of epochs."""
        try:
            value = accepted(command.name, command.value, self.progress.epochs_begun)
        except ConfigError as error:
            refuse(self.writer, command, str(error))
            return
        if command.name == "lr":
            what, before, self.progress.lr = "learning rate", self.progress.lr, value
            self._publish_lr()
        else:
            what, before = "epochs", self.progress.epochs
            self._set_epochs(value)
        self._save_checkpoint()
        by = plain(command.by, 60)
        self.writer.log(
            f"{what} {format_value(before)} -> {format_value(value)} at step {self.progress.step:,}, by {by}"
        )
        self.writer.event(command.name, command.by, value)

    def _publish_lr(self) -> None:
        """The state says which learning rate a user has set, the former one, too."""
        if self.progress.lr != self.config.optimizer.lr or self.writer.state.lr is not None:
            self.writer.update(lr=self.progress.lr)

    def _set_epochs(self, epochs: int | None) -> None:
        if epochs:
            self.progress.epochs, self.progress.over = epochs, ""

    def _pause(self, command: Command) -> None:
        """Hold still until someone says resume; stopping works meanwhile."""
        self._stop_clock()
        self._enter_pause(command)
        while not self._poll_for_resume():
            time.sleep(POLL_INTERVAL)
            self._update_state()
        self._leave_pause(command)
        self._start_clock()

    def _enter_pause(self, command: Command) -> None:
        self._save_checkpoint()
        self._update_state(status="paused")
        self.writer.event("paused", command.by)

    def _leave_pause(self, command: Command) -> None:
        self._update_state(status="running")
        self.writer.event("resumed", command.by)

    def _poll_for_resume(self) -> bool:
        """Whether a resume came; the commands after it wait for their turn."""
        self._pending.extend(self.inbox.new())
        while self._pending:
            command = self._pending.popleft()
            if command.name == "resume":
                return True
            if command.name != "pause":
                self._apply(command)
        return False

    def _save_checkpoint(self) -> None:
        """The last checkpoint is always a good one: never of a network whose loss was not finite."""
        self._write_pending_row()
        self._check_finite(self.metrics.batch_losses(), self.progress.step)
        if not all(bool(weight.isfinite().all()) for weight in self.setup.model.parameters()):
            raise TrainingError(
                f"The weights stopped being finite numbers by step {self.progress.step}.", "Try a lower learning rate."
            )
        running = self._clock is not None
        self._stop_clock()
        # The scores of the state are not in the checkpoint, and must not be older than it.
        self._update_state(now=True)
        checkpoint.save(self._last, checkpoint_state(self.setup, self.progress, self.metrics))
        self._saved = time.monotonic()
        if running:
            self._start_clock()

    def _start_clock(self) -> None:
        self._clock = time.monotonic()

    def _stop_clock(self) -> None:
        self.progress.seconds, self._clock = self._training_seconds(), None

    def _training_seconds(self) -> float:
        """Of training alone: evaluation, checkpoints and pauses do not count."""
        return self.progress.seconds + (time.monotonic() - self._clock if self._clock is not None else 0.0)

    def _update_state(self, **changes: Any) -> None:
        progress, seconds, per_epoch = self.progress, self._training_seconds(), self.setup.steps_per_epoch
        samples = progress.samples + self.metrics.samples
        self.writer.update(
            epoch=progress.epoch, epochs=progress.epochs, step=progress.step, steps=per_epoch * progress.epochs,
            steps_per_epoch=per_epoch, seconds=seconds, samples_per_second=samples / seconds if seconds else 0.0,
            **changes,
        )  # fmt: skip

    def _write_pending_row(self) -> None:
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
            f"The loss became {what} at step {step} (epoch {self.progress.epoch + 1}).",
            f"Try a learning rate below {self.progress.lr:g}, gradient clipping or a warm-up.",
        )
