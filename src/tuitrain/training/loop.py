"""The training loop: mini-batches, epochs, a validation split that steers and a test split that only judges."""

import math
import time
from collections import deque
from typing import Any

import torch
import torch.nn.functional as F

from tuitrain.config.schedule import factor
from tuitrain.errors import TrainingError
from tuitrain.runs.control import Command, Inbox
from tuitrain.runs.records import Score
from tuitrain.runs.rows import Train
from tuitrain.runs.writer import RunWriter
from tuitrain.training import checkpoint
from tuitrain.training import device as devices
from tuitrain.training.job import Job
from tuitrain.training.judge import judge, test, validate
from tuitrain.training.optimizers import layer_norms
from tuitrain.training.progress import Progress, restore, snapshot
from tuitrain.training.window import Window

# Seconds between two looks at the control file.
ATTENTION = 0.1


class Stopped(Exception):
    """The user asked the run to stop; its checkpoint is saved."""


class Detached(Exception):
    """The run is to go on in another process; its checkpoint is saved."""


class Loop:
    """Trains `job` from its last checkpoint, or from the beginning; all that happens goes to `writer`.

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

    def run(self) -> None:
        """Raises Stopped, TrainingError where the loss is not finite, and what torch, the disk or a user's own
        function raises."""
        self._begin()
        while self.at.epoch < self.at.epochs and not self.at.over:
            # A run stopped right after an epoch's last step continues here.
            if self.at.batch < self.job.batches:
                self._train_epoch()
            self._end_epoch()
        if self.at.epoch >= self.at.epochs:
            # Patience or time that ran out with the last epoch cut nothing short.
            self.at.over = ""
        judge(self.job, self.writer, self.at)
        self._tell(now=True)

    def _begin(self) -> None:
        if self._last.exists():
            restore(self._last, self.job, self.at, self.window)
            self._more(self._epochs)
            self._tell(phase="training")
            self.writer.event("continued")
        else:
            self._more(self._epochs)
            self._save()
            self._tell(phase="training", started=time.time())
            self.writer.event("started")

    def _train_epoch(self) -> None:
        job, at, window, optimizer, scaler = self.job, self.at, self.window, self.job.optimizer, self.job.scaler
        training, clip, accumulate = (
            self.config.training,
            self.config.optimizer.clip_norm,
            self.config.optimizer.accumulate,
        )
        size, batches = self.config.data.batch_size, job.batches
        model, autocast = job.model.train(), job.autocast
        self._start_clock()
        for images, labels in job.dataset.train.batches(job.order(at.epoch)[at.batch * size :], size):
            for change in job.changes:
                images = change(images)
            with autocast():
                logits = model(images)
                loss = F.cross_entropy(logits, labels, label_smoothing=training.label_smoothing)
            together = min(accumulate, batches - at.batch // accumulate * accumulate)
            torch.autograd.backward(scaler.scale(loss / together if together > 1 else loss))
            window.add(loss, logits, labels)
            at.batch += 1
            if at.batch % accumulate and at.batch < batches:
                continue

            rate = self._set_rate()
            at.step += 1
            row_due = at.step % training.log_every == 0 or at.batch == batches
            if scaler.is_enabled() and (row_due or clip):
                scaler.unscale_(optimizer)
            norms = layer_norms(job.layers) if row_due else None
            if clip:
                torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
            scaler.step(optimizer)
            scaler.update()
            optimizer.zero_grad()
            if norms is not None:
                self._row(rate, norms.tolist())
            if time.monotonic() - self._attended >= ATTENTION:
                self._attend()
                if at.over:
                    break
        self._stop_clock()

    def _set_rate(self) -> float:
        """The learning rate of the step that comes, set and returned."""
        steps = self.job.steps_per_epoch
        rate = self.at.lr * factor(self.config.schedule, self.at.step, steps, steps * self.at.epochs, self.at.drops)
        for group in self.job.optimizer.param_groups:
            group["lr"] = rate
        return rate

    def _row(self, rate: float, norms: list[float]) -> None:
        self._check_finite()
        at = self.at
        total, correct, count = self.window.read()
        at.loss_sum += total
        at.correct += correct
        at.seen += count
        at.samples += count
        seconds, now, whole = round(self._seconds(), 4), time.time(), _short(math.hypot(*norms))
        layers = tuple(_short(norm) for norm in norms)
        self.writer.row(Train(at.step, at.epoch + 1, total / count, correct / count, rate, seconds, now, whole, layers))
        self._tell(train=Score(at.loss_sum / at.seen, at.correct / at.seen))

    def _check_finite(self) -> None:
        """Raises TrainingError that names the step at which the loss stopped being a number."""
        bad, accumulate = self.window.first_bad(), self.config.optimizer.accumulate
        if bad is None:
            return
        step = self.at.step - math.ceil(len(self.window) / accumulate) + bad[0] // accumulate + 1
        self.writer.event("not-finite", f"the loss of step {step}")
        what = "NaN" if math.isnan(bad[1]) else "infinite"
        raise TrainingError(
            f"The loss became {what} at step {step} (epoch {self.at.epoch + 1}).",
            f"Try a learning rate below {self.at.lr:g}, gradient clipping or a warm-up.",
        )

    def _end_epoch(self) -> None:
        at, schedule, patience = self.at, self.config.schedule, self.config.training.patience
        better = validate(self.job, self.writer, at)
        at.since_lowest, at.since_drop = (0, 0) if better else (at.since_lowest + 1, at.since_drop + 1)
        if schedule.name == "plateau" and at.since_drop > schedule.patience:
            at.drops, at.since_drop = at.drops + 1, 0
            self.writer.event("drop", "no better validation loss", at.lr * schedule.gamma**at.drops)
        if patience and at.since_lowest >= patience:
            at.over = f"Stopped early: no better validation loss for {patience} epochs."
        every = self.config.evaluation.test_every
        ended = at.batch >= self.job.batches
        if every and ended and (at.epoch + 1) % every == 0 and at.epoch + 1 < at.epochs and not at.over:
            test(self.job, self.writer, at)
        self.writer.log(self._epoch_line(better))
        if ended:
            at.epoch, at.batch, at.loss_sum, at.correct, at.seen = at.epoch + 1, 0, 0.0, 0, 0
        if better:
            checkpoint.save(self._last.with_name("best.safetensors"), {"model": self.job.model.state_dict()})
        self._save()
        self._tell(phase="training")
        self._attend()

    def _epoch_line(self, better: bool) -> str:
        state, line = self.writer.state, f"epoch {self.at.epoch + 1}"
        for name in ("train", "validation"):
            score: Score | None = getattr(state, name)
            if score is not None:
                line += f" · {name} {score.loss if score.loss is not None else math.nan:.4f}, {score.accuracy:.2%}"
        return line + (" · best so far" if better else "")

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
        elif command.name == "lr" and command.value and 0 < command.value < math.inf:
            self.at.lr = command.value
            self._save()
            self.writer.event("lr", command.by, command.value)
        elif command.name == "epochs" and command.value and command.value >= max(1, self.at.epoch):
            self._more(int(command.value))
            self._save()
            self.writer.event("epochs", command.by, self.at.epochs)
        elif command.name != "resume":
            self.writer.event("refused", f"{command.name} {command.value} from {command.by}")

    def _more(self, epochs: int | None) -> None:
        if epochs:
            self.at.epochs, self.at.over = epochs, ""

    def _pause(self, command: Command) -> None:
        """Hold still until someone says resume; stopping works meanwhile."""
        self._stop_clock()
        self._save()
        self._tell(status="paused")
        self.writer.event("paused", command.by)
        while not self._resumed():
            time.sleep(ATTENTION)
            self._tell()
        self._tell(status="running")
        self.writer.event("resumed", command.by)
        self._start_clock()

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
        self._check_finite()
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
        self.writer.update(
            epoch=at.epoch, epochs=at.epochs, step=at.step, steps=per_epoch * at.epochs,
            steps_per_epoch=per_epoch, seconds=seconds, samples_per_second=at.samples / seconds if seconds else 0.0,
            **changes,
        )  # fmt: skip


def _short(value: float) -> float | None:
    """Four digits of a gradient's norm are enough; None where it is not finite."""
    return float(f"{value:.4g}") if math.isfinite(value) else None
