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
from tuitrain.training.backward import build_backward
from tuitrain.training.control import POLL_INTERVAL, ControlledLoop
from tuitrain.training.cuda_graphs.graph import not_captured, words
from tuitrain.training.cuda_graphs.step import Captured, obstacle
from tuitrain.training.cuda_graphs.warmup import rehearse
from tuitrain.training.device import release_memory
from tuitrain.training.evaluation.record import evaluate_final, evaluate_test, evaluate_validation
from tuitrain.training.metrics import MetricsReadback
from tuitrain.training.optim.fused import FusedStep
from tuitrain.training.optim.norms import layer_gradient_norms
from tuitrain.training.progress import restore_checkpoint
from tuitrain.training.readback import queue_limiter


class Loop(ControlledLoop):
    """Trains `setup` from its last checkpoint, or from the beginning; all that happens goes to `writer`."""

    # A row whose numbers are on their way from the device: its step, its learning rate, and they.
    _pending_row: tuple[int, float, MetricsReadback] | None = None
    # The whole epochs and the steps after which it begins.
    _first: tuple[int, int] | None = None
    _resuming = False

    def restore(self) -> None:
        """To the last checkpoint, where there is one. Raises RunError where it is damaged or another network's."""
        self._resuming = self._last.exists()
        if self._resuming:
            restore_checkpoint(self._last, self.setup, self.progress, self.metrics)
        self._first = self.progress.epoch, self.progress.step

    @property
    def has_progressed(self) -> bool:
        """Whether a step, or the end of an epoch, came after that."""
        return self._first not in (None, (self.progress.epoch, self.progress.step))

    def run(self) -> None:
        """To be restored before. Raises Stopped, TrainingError where the loss is not finite, and what torch, the
        disk or a user's own function raises."""
        self._begin()
        while not self._done:
            # A run stopped right after an epoch's last step continues here.
            if self.progress.batch < self.setup.batches_per_epoch:
                self._train_epoch()
            self._abortable(self._end_epoch)
        self._finish()

    @property
    def _done(self) -> bool:
        return self.progress.epoch >= self.progress.epochs or bool(self.progress.over)

    def _finish(self) -> None:
        if self.progress.epoch >= self.progress.epochs:
            # Patience or time that ran out with the last epoch cut nothing short.
            self.progress.over = ""
        self._abortable(lambda: evaluate_final(self.setup, self.writer, self.progress, self._heartbeat))
        self._update_state(now=True)

    def _begin(self) -> None:
        self._set_epochs(self._epochs)
        if self._resuming:
            self._publish_lr()
            self._update_state(phase="training")
            self.writer.event("continued")
            return
        if self.writer.taken_up:
            self.writer.log("it has no checkpoint yet, and begins at the beginning")
        self._save_checkpoint()
        self._update_state(phase="training", started=time.time())
        self.writer.event("started")

    def _train_epoch(self) -> None:
        self.setup.model.train()
        captured, lead = self._captured, queue_limiter(self.setup.device)
        self._start_clock()
        order = self.setup.epoch_order(self.progress.epoch)[self.progress.batch * self.config.data.batch_size :]
        for rate, norms in self._graph_steps(captured, order) if captured else self._eager_steps(order):
            if norms is not None:
                self._start_row(rate, norms)
            if lead is not None:
                lead.step()
                self._write_row_if_ready()
            if time.monotonic() - self._polled >= POLL_INTERVAL:
                self._poll_commands()
                if self.progress.over:
                    break
        self._write_pending_row()
        self._stop_clock()

    def _eager_steps(self, order: Tensor) -> Iterator[tuple[float, Tensor | None]]:
        """Trains on the images of `order`. Gives after each step its learning rate, and where a row is due the norms of
        its gradients."""
        setup, progress, optimizer, scaler = self.setup, self.progress, self.setup.optimizer, self.setup.scaler
        clip, accumulate = self.config.optimizer.clip_norm, self.config.optimizer.accumulate
        size, batches, scaled = self.config.data.batch_size, setup.batches_per_epoch, scaler.is_enabled()
        backward, step = build_backward(setup), FusedStep(optimizer)
        for images, labels in setup.dataset.train.batches(order, size):
            for change in setup.transforms:
                images = change(images)
            together = min(accumulate, batches - progress.batch // accumulate * accumulate)
            loss, logits = backward(images, labels, together)
            self.metrics.add(loss, logits, labels)
            progress.batch += 1
            if progress.batch % accumulate and progress.batch < batches:
                continue

            rate, row_due = self._next_step()
            if scaled and (row_due or clip):
                scaler.unscale_(optimizer)
            norms = layer_gradient_norms(setup.layers) if row_due else None
            if clip:
                torch.nn.utils.clip_grad_norm_(setup.model.parameters(), clip)
            if scaled:
                scaler.step(optimizer)
                scaler.update()
            else:
                step()
            backward.zero_grad()
            yield rate, norms

    def _graph_steps(self, captured: Captured, order: Tensor) -> Iterator[tuple[float, Tensor | None]]:
        """As `_steps`, which takes those of the last, smaller mini-batch."""
        for rows in captured.batches(order):
            self.progress.batch += 1
            rate, row_due = self._next_step()
            captured(rows, rate)
            yield rate, captured.norms() if row_due else None
        if self.progress.batch < self.setup.batches_per_epoch:
            yield from self._eager_steps(order[-(len(order) % self.config.data.batch_size) :])

    def _next_step(self) -> tuple[float, bool]:
        """The step that comes: its learning rate, which is set, and whether a row is due after it."""
        setup, progress = self.setup, self.progress
        steps = setup.steps_per_epoch
        rate = progress.lr * lr_factor(
            self.config.schedule, progress.step, steps, steps * progress.epochs, progress.drops
        )
        for group in setup.optimizer.param_groups:
            group["lr"] = rate
        progress.step += 1
        return rate, progress.step % self.config.training.log_every == 0 or progress.batch == setup.batches_per_epoch

    @cached_property
    def _captured(self) -> Captured | None:
        """The step of whole mini-batches as a CUDA graph, where it can be one; not counted as training."""
        return self._capture() if self.setup.device.type == "cuda" else None

    def _capture(self) -> Captured | None:
        reason = obstacle(self.setup)
        self._update_state(phase="warm-up", now=True)
        try:
            if not reason:
                return Captured(self.setup, self.metrics)
            rehearse(self.setup)
        except Exception as error:
            # A step that is bad without a graph, too, is bad again when it is taken; no run ends for want of a graph.
            reason = words(error)
        finally:
            self._update_state(phase="training")
        self.writer.log(not_captured(reason))
        release_memory()
        return None

    def _start_row(self, rate: float, norms: Tensor) -> None:
        """Ask for the numbers of a row; on a GPU they come while the next steps are taken."""
        self._write_pending_row()
        self._pending_row = self.progress.step, rate, self.metrics.start_readback(norms)
        self.progress.samples += self._pending_row[2].samples
        self._write_row_if_ready()

    def _write_row_if_ready(self) -> None:
        if self._pending_row is not None and self._pending_row[2].ready:
            self._write_pending_row()

    def _write_pending_row(self) -> None:
        if self._pending_row is None:
            return
        step, rate, taken = self._pending_row
        losses, total, correct, (norms,) = taken.read()
        self._pending_row = None
        self._check_finite(losses, step)
        progress, count = self.progress, taken.samples
        progress.loss_sum += total
        progress.correct += correct
        progress.seen += count
        seconds, now, whole = round(self._training_seconds(), 4), time.time(), _short(math.hypot(*norms))
        layers = tuple(_short(norm) for norm in norms)
        self.writer.row(
            Train(step, progress.epoch + 1, total / count, correct / count, rate, seconds, now, whole, layers)
        )
        self._update_state(train=Score(progress.loss_sum / progress.seen, progress.correct / progress.seen))

    def _end_epoch(self) -> None:
        progress, schedule, patience = self.progress, self.config.schedule, self.config.training.patience
        better = evaluate_validation(self.setup, self.writer, progress, self._heartbeat)
        progress.since_lowest, progress.since_drop = (
            (0, 0) if better else (progress.since_lowest + 1, progress.since_drop + 1)
        )
        if schedule.name == "plateau" and progress.since_drop > schedule.patience:
            progress.drops, progress.since_drop = progress.drops + 1, 0
            self.writer.event("drop", "no better validation loss", progress.lr * schedule.gamma**progress.drops)
        if patience and progress.since_lowest >= patience:
            progress.over = f"Stopped early: no better validation loss for {patience} epochs."
        every = self.config.evaluation.test_every
        ended = progress.batch >= self.setup.batches_per_epoch
        if (
            every
            and ended
            and (progress.epoch + 1) % every == 0
            and progress.epoch + 1 < progress.epochs
            and not progress.over
        ):
            evaluate_test(self.setup, self.writer, progress, self._heartbeat)
        self.writer.log(self._epoch_line(better))
        if ended:
            progress.epoch, progress.batch, progress.loss_sum, progress.correct, progress.seen = (
                progress.epoch + 1,
                0,
                0.0,
                0,
                0,
            )
        if better:
            checkpoint.save(self._last.with_name("best.safetensors"), {"model": self.setup.model.state_dict()})
        self._update_state(phase="training")
        self._save_checkpoint()
        self._poll_commands()

    def _epoch_line(self, better: bool) -> str:
        state, line = self.writer.state, f"epoch {self.progress.epoch + 1}"
        for name in ("train", "validation"):
            score: Score | None = getattr(state, name)
            if score is not None:
                line += f" · {name} {score.loss if score.loss is not None else math.nan:.4f}, {score.accuracy:.2%}"
        return line + (" · best so far" if better else "")


def _short(value: float) -> float | None:
    """Four digits of a gradient's norm are enough; None where it is not finite."""
    return float(f"{value:.4g}") if math.isfinite(value) else None
