"""The training loop: mini-batches, epochs, a validation split that steers and a test split that only judges."""

import math
import time

import torch
from torch import Tensor

from tuitrain.config.schedule import factor
from tuitrain.runs.records import Score
from tuitrain.runs.rows import Train
from tuitrain.training import checkpoint
from tuitrain.training.gradients import gradients_of
from tuitrain.training.judge import judge, test, validate
from tuitrain.training.late import lead_of
from tuitrain.training.optimizers import layer_norms
from tuitrain.training.progress import restore
from tuitrain.training.steering import ATTENTION, Steered
from tuitrain.training.step import Step
from tuitrain.training.window import Taken


class Loop(Steered):
    """Trains `job` from its last checkpoint, or from the beginning; all that happens goes to `writer`."""

    # A row whose numbers are on their way from the device: its step, its learning rate, and they.
    _asked: tuple[int, float, Taken] | None = None

    def run(self) -> None:
        """Raises Stopped, TrainingError where the loss is not finite, and what torch, the disk or a user's own
        function raises."""
        self._begin()
        while not self._done:
            # A run stopped right after an epoch's last step continues here.
            if self.at.batch < self.job.batches:
                self._train_epoch()
            self._leaving(self._end_epoch)
        self._finish()

    @property
    def _done(self) -> bool:
        return self.at.epoch >= self.at.epochs or bool(self.at.over)

    def _finish(self) -> None:
        if self.at.epoch >= self.at.epochs:
            # Patience or time that ran out with the last epoch cut nothing short.
            self.at.over = ""
        self._leaving(lambda: judge(self.job, self.writer, self.at, self._beat))
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
        clip, accumulate = self.config.optimizer.clip_norm, self.config.optimizer.accumulate
        size, batches, log_every = self.config.data.batch_size, job.batches, self.config.training.log_every
        model, gradients, step = job.model.train(), gradients_of(job), Step(optimizer)
        scaled, lead = scaler.is_enabled(), lead_of(job.device)
        self._start_clock()
        for images, labels in job.dataset.train.batches(job.order(at.epoch)[at.batch * size :], size):
            for change in job.changes:
                images = change(images)
            together = min(accumulate, batches - at.batch // accumulate * accumulate)
            loss, logits = gradients(images, labels, together)
            window.add(loss, logits, labels)
            at.batch += 1
            if at.batch % accumulate and at.batch < batches:
                continue

            rate = self._set_rate()
            at.step += 1
            row_due = at.step % log_every == 0 or at.batch == batches
            if scaled and (row_due or clip):
                scaler.unscale_(optimizer)
            norms = layer_norms(job.layers) if row_due else None
            if clip:
                torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
            if scaled:
                scaler.step(optimizer)
                scaler.update()
            else:
                step()
            gradients.clear()
            if norms is not None:
                self._row(rate, norms)
            if lead is not None:
                lead.step()
                self._settle_if_there()
            if time.monotonic() - self._attended >= ATTENTION:
                self._attend()
                if at.over:
                    break
        self._settle()
        self._stop_clock()

    def _set_rate(self) -> float:
        """The learning rate of the step that comes, set and returned."""
        steps = self.job.steps_per_epoch
        rate = self.at.lr * factor(self.config.schedule, self.at.step, steps, steps * self.at.epochs, self.at.drops)
        for group in self.job.optimizer.param_groups:
            group["lr"] = rate
        return rate

    def _row(self, rate: float, norms: Tensor) -> None:
        """Ask for the numbers of a row; on a GPU they come while the next steps are taken."""
        self._settle()
        self._asked = self.at.step, rate, self.window.take(norms)
        self.at.samples += self._asked[2].samples
        self._settle_if_there()

    def _settle_if_there(self) -> None:
        if self._asked is not None and self._asked[2].there:
            self._settle()

    def _settle(self) -> None:
        if self._asked is None:
            return
        step, rate, taken = self._asked
        losses, total, correct, (norms,) = taken.read()
        self._asked = None
        self._check_finite(losses, step)
        at, count = self.at, taken.samples
        at.loss_sum += total
        at.correct += correct
        at.seen += count
        seconds, now, whole = round(self._seconds(), 4), time.time(), _short(math.hypot(*norms))
        layers = tuple(_short(norm) for norm in norms)
        self.writer.row(Train(step, at.epoch + 1, total / count, correct / count, rate, seconds, now, whole, layers))
        self._tell(train=Score(at.loss_sum / at.seen, at.correct / at.seen))

    def _end_epoch(self) -> None:
        at, schedule, patience = self.at, self.config.schedule, self.config.training.patience
        better = validate(self.job, self.writer, at, self._beat)
        at.since_lowest, at.since_drop = (0, 0) if better else (at.since_lowest + 1, at.since_drop + 1)
        if schedule.name == "plateau" and at.since_drop > schedule.patience:
            at.drops, at.since_drop = at.drops + 1, 0
            self.writer.event("drop", "no better validation loss", at.lr * schedule.gamma**at.drops)
        if patience and at.since_lowest >= patience:
            at.over = f"Stopped early: no better validation loss for {patience} epochs."
        every = self.config.evaluation.test_every
        ended = at.batch >= self.job.batches
        if every and ended and (at.epoch + 1) % every == 0 and at.epoch + 1 < at.epochs and not at.over:
            test(self.job, self.writer, at, self._beat)
        self.writer.log(self._epoch_line(better))
        if ended:
            at.epoch, at.batch, at.loss_sum, at.correct, at.seen = at.epoch + 1, 0, 0.0, 0, 0
        if better:
            checkpoint.save(self._last.with_name("best.safetensors"), {"model": self.job.model.state_dict()})
        self._tell(phase="training")
        self._save()
        self._attend()

    def _epoch_line(self, better: bool) -> str:
        state, line = self.writer.state, f"epoch {self.at.epoch + 1}"
        for name in ("train", "validation"):
            score: Score | None = getattr(state, name)
            if score is not None:
                line += f" · {name} {score.loss if score.loss is not None else math.nan:.4f}, {score.accuracy:.2%}"
        return line + (" · best so far" if better else "")


def _short(value: float) -> float | None:
    """Four digits of a gradient's norm are enough; None where it is not finite."""
    return float(f"{value:.4g}") if math.isfinite(value) else None
