"""Everything a training loop does besides training: commands, the clock, checkpoints, and the state on disk."""

import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from tuitrain.config.formatting import format_value
from tuitrain.config.schedule import Extension, LRCurve
from tuitrain.errors import ConfigError, TrainingError
from tuitrain.runs.control import Command, Inbox, accepted
from tuitrain.runs.writer import RunWriter
from tuitrain.text import plain
from tuitrain.training import checkpoint
from tuitrain.training import device as devices
from tuitrain.training.data.dataset import Progress as ProgressCallback
from tuitrain.training.distributed.metrics import build_metrics
from tuitrain.training.progress import TrainingProgress, checkpoint_state
from tuitrain.training.setup import Setup

Step = TypeVar("Step")
# Seconds between two polls of the control file.
POLL_INTERVAL = 0.1


class Stopped(Exception):
    """The user stopped the run, and its checkpoint is saved."""


class Detached(Exception):
    """The run continues in another process, and its checkpoint is saved."""


class EvaluationAborted(Exception):
    """A stop or detach command interrupts an evaluation, which is repeated when the run resumes."""


def preparation_progress(writer: RunWriter, inbox: Inbox, progress: ProgressCallback) -> ProgressCallback:
    """Wrap `progress` for a preparation that may take hours: update the state, and obey a stop or detach. The returned
    callback raises Stopped and Detached."""

    def report(doing: str, fraction: float | None) -> None:
        progress(doing, fraction)
        writer.update(phase=plain(doing, 120))
        # Other commands wait for the loop, unless the run leaves this process: then they come before that.
        for command in sorted(inbox.new(), key=_leaving_last) if inbox.leaving() else ():
            if command.name == "stop":
                raise Stopped(command.reason)
            if command.name == "detach":
                raise Detached
            if command.name in ("pause", "resume"):
                writer.update(status="paused" if command.name == "pause" else "running")
            else:
                refuse(writer, command, f"{command.name} needs a run that trains, and this one is being prepared.")

    return report


def _leaving_last(command: Command) -> int:
    """Return the order in which commands that arrive together apply; a stop replaces a detach."""
    return {"stop": 1, "detach": 2}.get(command.name, 0)


def refuse(writer: RunWriter, command: Command, reason: str) -> None:
    """Record in the log and the metrics file that the command was refused."""
    message = f"{reason} Sent by {plain(command.by, 60)}."
    writer.log(f"refused: {message}")
    writer.event("refused", message, command.value)


class ControlledLoop:
    """A training loop that applies commands, saves checkpoints and keeps the state on disk up to date. `epochs`
    overrides the number of epochs in the checkpoint and the configuration; `schedule` says how the learning-rate
    schedule then continues."""

    def __init__(
        self,
        setup: Setup,
        writer: RunWriter,
        inbox: Inbox,
        epochs: int | None = None,
        schedule: Extension = "stretch",
    ) -> None:
        self.setup, self.config, self.writer, self.inbox = setup, setup.config, writer, inbox
        self._epochs, self._schedule = epochs, schedule
        self.progress = TrainingProgress(lr=setup.config.optimizer.lr, epochs=setup.config.training.epochs)
        # The last row of an epoch may cover nearly twice log_every steps, but no row covers more than one epoch.
        batches_per_row = 2 * setup.log_every * setup.config.optimizer.accumulate
        self.metrics = build_metrics(setup, min(batches_per_row, setup.batches_per_epoch))
        self._last_checkpoint = writer.folder.checkpoints / "last.safetensors"
        # When the clock was started; None while it is stopped.
        self._clock: float | None = None
        self._polled = self._saved = time.monotonic()
        self._commands: deque[Command] = deque()

    def _poll_commands(self) -> None:
        """Apply new commands, check the time budget, and save a checkpoint if one is due."""
        self._polled = time.monotonic()
        self.update_state(memory=devices.memory_in_use(self.setup.device))
        self._commands.extend(self.inbox.new())
        while self._commands:
            self._apply(self._commands.popleft())
        limit = self.config.training.max_minutes
        if limit and self._training_seconds() > limit * 60 and not self.progress.over:
            self.progress.over = f"The time budget of {limit:g} minutes is used up."
        if self._polled - self._saved > self.config.training.checkpoint_every:
            self._save_checkpoint()

    def _heartbeat(self, doing: str = "") -> None:
        """Keep the state current during an evaluation, or another activity, which `doing` names. Raises
        EvaluationAborted on a stop or detach command."""
        self.writer.update(phase=doing or self.writer.state.phase)
        if time.monotonic() - self._polled >= POLL_INTERVAL:
            self._polled = time.monotonic()
            if self.inbox.leaving():
                raise EvaluationAborted

    def _abortable(self, evaluate: Callable[[], None]) -> None:
        """Run `evaluate`; if it is aborted, restore the progress from before it and apply the command."""
        before = replace(self.progress)
        try:
            evaluate()
        except EvaluationAborted:
            self.progress = before
            self._poll_commands()
            raise

    def _apply(self, command: Command) -> None:
        """Apply a command and acknowledge it with an event."""
        if command.name == "detach" and any(other.name != "detach" for other in self._commands):
            # The next process reads only what follows in the control file: apply the other commands first.
            self._commands.append(command)
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
        """Change the learning rate or the number of epochs."""
        try:
            value = accepted(command.name, command.value, self.progress.epochs_begun)
        except ConfigError as error:
            refuse(self.writer, command, str(error))
            return
        if command.name == "lr":
            name, before, self.progress.lr = "learning rate", self.progress.lr, value
            self._publish_lr()
        else:
            name, before = "epochs", self.progress.epochs
            self._set_epochs(value, command.schedule or "stretch")
        self._save_checkpoint()
        change = f"{name} {format_value(before)} -> {format_value(value)}"
        self.writer.log(f"{change} at step {self.progress.step:,}, by {plain(command.by, 60)}")
        self.writer.event(command.name, command.by, value)

    def _publish_lr(self) -> None:
        """Write the learning rate to the state once a command has changed it, even back to the configured one."""
        if self.progress.lr != self.config.optimizer.lr or self.writer.state.lr is not None:
            self.writer.update(lr=self.progress.lr)

    @property
    def lr_curve(self) -> LRCurve:
        progress = self.progress
        return LRCurve(
            self.config.schedule, progress.lr, self.setup.steps_per_epoch, progress.epochs, progress.schedule_start,
            progress.schedule_end, progress.drops,
        )  # fmt: skip

    def _set_epochs(self, epochs: int, schedule: Extension) -> None:
        progress, before = self.progress, self.lr_curve
        if progress.over:
            # More epochs after an early stop get the whole patience.
            progress.since_lowest = 0
        after = before.extended(epochs, progress.step, schedule)
        progress.epochs, progress.over = epochs, ""
        progress.schedule_start, progress.schedule_end = after.start, after.end
        change = before.describe_change(after, progress.step) if progress.step else ""
        if change:
            self.writer.log(change, detail=True)
            self.writer.event("schedule", schedule, after.rate(progress.step))

    def _pause(self, command: Command) -> None:
        """Wait for a resume command; other commands apply meanwhile."""
        self.stop_clock()
        self._enter_pause(command)
        while not self._poll_for_resume():
            time.sleep(POLL_INTERVAL)
            self.update_state()
        self.start_clock()

    def _enter_pause(self, command: Command) -> None:
        self._save_checkpoint()
        self.update_state(status="paused")
        self.writer.event("paused", command.by)

    def _poll_for_resume(self) -> bool:
        """Apply new commands up to a resume, if any, which ends the pause; return whether there was one."""
        self._commands.extend(self.inbox.new())
        while self._commands:
            command = self._commands.popleft()
            if command.name == "resume":
                self.update_state(status="running")
                self.writer.event("resumed", command.by)
                return True
            if command.name != "pause":
                self._apply(command)
        return False

    def _save_checkpoint(self) -> None:
        """Save the last checkpoint. Raises TrainingError instead if the loss or a weight is not finite."""
        self._write_rows(wait=True)
        self._check_finite(self.metrics.batch_losses(), self.progress.step)
        if not all(bool(weight.isfinite().all()) for weight in self.setup.model.parameters()):
            raise TrainingError(
                f"The weights became NaN or infinite by step {self.progress.step}.", "Try a lower learning rate."
            )
        clock_running = self.stop_clock()
        # State first: its scores are not in the checkpoint, and must not be older than it.
        self.update_state(now=True)
        checkpoint.save(self._last_checkpoint, self.checkpoint_state())
        self._saved = time.monotonic()
        if clock_running:
            self.start_clock()

    def checkpoint_state(self) -> checkpoint.State:
        return checkpoint_state(self.setup, self.progress, self.metrics)

    def start_clock(self) -> None:
        self._clock = time.monotonic()

    def stop_clock(self) -> bool:
        """Stop measuring training time; return whether the clock was running."""
        running = self._clock is not None
        self.progress.seconds, self._clock = self._training_seconds(), None
        return running

    def _training_seconds(self) -> float:
        """Return the seconds spent on training, without evaluation, checkpoints and pauses."""
        return self.progress.seconds + (time.monotonic() - self._clock if self._clock is not None else 0.0)

    def update_state(self, **changes: Any) -> None:
        progress, seconds, steps_per_epoch = self.progress, self._training_seconds(), self.setup.steps_per_epoch
        samples = progress.samples + self.metrics.samples
        self.writer.update(
            epoch=progress.epoch, epochs=progress.epochs, step=progress.step, steps=steps_per_epoch * progress.epochs,
            steps_per_epoch=steps_per_epoch, schedule_start=progress.schedule_start,
            schedule_end=progress.schedule_end, seconds=seconds,
            samples_per_second=samples / seconds if seconds else 0.0, **changes,
        )  # fmt: skip

    def _write_rows(self, *, wait: bool) -> None:
        """Write the metrics rows that have arrived from the device; with `wait`, wait for the others."""
        raise NotImplementedError

    def _check_finite(self, losses: Sequence[float], last_step: int) -> None:
        """Raise TrainingError with the first step whose loss is not finite. `losses` are those of the latest
        mini-batches, of which the last belongs to `last_step`."""
        bad = next((index for index, loss in enumerate(losses) if not math.isfinite(loss)), None)
        if bad is None:
            return
        accumulate = self.config.optimizer.accumulate
        step = last_step - math.ceil(len(losses) / accumulate) + bad // accumulate + 1
        self.writer.event("not-finite", f"the loss of step {step}")
        value = "NaN" if math.isnan(losses[bad]) else "infinite"
        raise TrainingError(
            f"The loss became {value} at step {step} (epoch {self.progress.epoch + 1}).",
            f"Try a learning rate below {self.progress.lr:g}, gradient clipping or a warm-up.",
        )


def try_capture(loops: Sequence[ControlledLoop], capture: Callable[[], Step]) -> Step | None:
    """Return the captured step of `loops`. If `capture` raises, log the reason and return None: they train eagerly."""
    for loop in loops:
        loop.update_state(phase="warm-up", now=True)
    try:
        return capture()
    except Exception as error:
        # If the step itself is at fault, the first eager step raises again. torch raises a less specific exception on
        # top of the cause.
        reason = plain(str(error.__context__ or error).partition("\n")[0], 200)
    finally:
        for loop in loops:
            loop.update_state(phase="training")
    for loop in loops:
        loop.writer.log(f"steps are not captured as one CUDA graph: {reason}")
    devices.release_memory()
    return None
