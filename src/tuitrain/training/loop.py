"""The training loop: mini-batches, epochs, a validation split that steers and a test split that only judges."""

import math
import time
from collections.abc import Iterator
from functools import cached_property

import torch
from torch import Tensor

from tuitrain.config.schedule import lr_factor
from tuitrain.runs.records import Score
from tuitrain.runs.rows import Train
from tuitrain.training import checkpoint
from tuitrain.training.backward import gradients_of
from tuitrain.training.control import ATTENTION, Steered
from tuitrain.training.cuda_graphs.graph import not_captured, words
from tuitrain.training.cuda_graphs.step import Captured, obstacle
from tuitrain.training.cuda_graphs.warmup import rehearse
from tuitrain.training.device import release
from tuitrain.training.evaluation.record import judge, test, validate
from tuitrain.training.metrics import Taken
from tuitrain.training.optim.build import layer_norms
from tuitrain.training.optim.fused import Step
from tuitrain.training.progress import restore
from tuitrain.training.readback import lead_of


class Loop(Steered):
    """Trains `job` from its last checkpoint, or from the beginning; all that happens goes to `writer`."""

    # A row whose numbers are on their way from the device: its step, its learning rate, and they.
    _asked: tuple[int, float, Taken] | None = None
    # The whole epochs and the steps after which it begins.
    _first: tuple[int, int] | None = None
    _continues = False

    def restore(self) -> None:
        """To the last checkpoint, where there is one. Raises RunError where it is damaged or another network's."""
        self._continues = self._last.exists()
        if self._continues:
            restore(self._last, self.job, self.at, self.window)
        self._first = self.at.epoch, self.at.step

    @property
    def has_moved(self) -> bool:
        """Whether a step, or the end of an epoch, came after that."""
        return self._first not in (None, (self.at.epoch, self.at.step))

    def run(self) -> None:
        """To be restored before. Raises Stopped, TrainingError where the loss is not finite, and what torch, the
        disk or a user's own function raises."""
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
        self._more(self._epochs)
        if self._continues:
            self._keep_rate()
            self._tell(phase="training")
            self.writer.event("continued")
            return
        if self.writer.taken_up:
            self.writer.log("it has no checkpoint yet, and begins at the beginning")
        self._save()
        self._tell(phase="training", started=time.time())
        self.writer.event("started")

    def _train_epoch(self) -> None:
        self.job.model.train()
        captured, lead = self._captured, lead_of(self.job.device)
        self._start_clock()
        order = self.job.order(self.at.epoch)[self.at.batch * self.config.data.batch_size :]
        for rate, norms in self._captured_steps(captured, order) if captured else self._steps(order):
            if norms is not None:
                self._row(rate, norms)
            if lead is not None:
                lead.step()
                self._settle_if_there()
            if time.monotonic() - self._attended >= ATTENTION:
                self._attend()
                if self.at.over:
                    break
        self._settle()
        self._stop_clock()

    def _steps(self, order: Tensor) -> Iterator[tuple[float, Tensor | None]]:
        """Trains on the images of `order`. Gives after each step its learning rate, and where a row is due the norms of
        its gradients."""
        job, at, optimizer, scaler = self.job, self.at, self.job.optimizer, self.job.scaler
        clip, accumulate = self.config.optimizer.clip_norm, self.config.optimizer.accumulate
        size, batches, scaled = self.config.data.batch_size, job.batches, scaler.is_enabled()
        gradients, step = gradients_of(job), Step(optimizer)
        for images, labels in job.dataset.train.batches(order, size):
            for change in job.changes:
                images = change(images)
            together = min(accumulate, batches - at.batch // accumulate * accumulate)
            loss, logits = gradients(images, labels, together)
            self.window.add(loss, logits, labels)
            at.batch += 1
            if at.batch % accumulate and at.batch < batches:
                continue

            rate, row_due = self._next()
            if scaled and (row_due or clip):
                scaler.unscale_(optimizer)
            norms = layer_norms(job.layers) if row_due else None
            if clip:
                torch.nn.utils.clip_grad_norm_(job.model.parameters(), clip)
            if scaled:
                scaler.step(optimizer)
                scaler.update()
            else:
                step()
            gradients.clear()
            yield rate, norms

    def _captured_steps(self, captured: Captured, order: Tensor) -> Iterator[tuple[float, Tensor | None]]:
        """As `_steps`, which takes those of the last, smaller mini-batch."""
        for rows in captured.batches(order):
            self.at.batch += 1
            rate, row_due = self._next()
            captured(rows, rate)
            yield rate, captured.norms() if row_due else None
        if self.at.batch < self.job.batches:
            yield from self._steps(order[-(len(order) % self.config.data.batch_size) :])

    def _next(self) -> tuple[float, bool]:
        """The step that comes: its learning rate, which is set, and whether a row is due after it."""
        job, at = self.job, self.at
        steps = job.steps_per_epoch
        rate = at.lr * lr_factor(self.config.schedule, at.step, steps, steps * at.epochs, at.drops)
        for group in job.optimizer.param_groups:
            group["lr"] = rate
        at.step += 1
        return rate, at.step % self.config.training.log_every == 0 or at.batch == job.batches

    @cached_property
    def _captured(self) -> Captured | None:
        """The step of whole mini-batches as a CUDA graph, where it can be one; not counted as training."""
        return self._capture() if self.job.device.type == "cuda" else None

    def _capture(self) -> Captured | None:
        reason = obstacle(self.job)
        self._tell(phase="warm-up", now=True)
        try:
            if not reason:
                return Captured(self.job, self.window)
            rehearse(self.job)
        except Exception as error:
            # A step that is bad without a graph, too, is bad again when it is taken; no run ends for want of a graph.
            reason = words(error)
        finally:
            self._tell(phase="training")
        self.writer.log(not_captured(reason))
        release()
        return None

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
