"""The training loop: mini-batches, steps, metrics rows, epochs and evaluation.

Data set, model and optimizer state stay on the device. Losses are summed there, too, and read only when a metrics row
is due: on a GPU by a non-blocking copy, so that the host never waits for a step. The validation split steers training
(best checkpoint, early stopping, plateau schedule); the test split never does.
"""

import math
import time
from collections import deque
from collections.abc import Iterator
from functools import cached_property

import torch
from torch import Tensor

from tuitrain.runs.records import Score
from tuitrain.runs.rows import LayerStatistics, Train
from tuitrain.training import checkpoint
from tuitrain.training.backward import build_backward
from tuitrain.training.control import POLL_INTERVAL, ControlledLoop, try_capture
from tuitrain.training.cuda_graphs.step import GraphStep, capture_obstacle
from tuitrain.training.cuda_graphs.warmup import warm_up
from tuitrain.training.epochs import apply_patience, epoch_line, log_replaced_images
from tuitrain.training.evaluation.record import (
    Verdict,
    evaluate_at_start,
    evaluate_final,
    evaluate_test,
    evaluate_validation,
)
from tuitrain.training.fine_tuning.features import compute_features
from tuitrain.training.fine_tuning.freeze import is_frozen, set_training_mode
from tuitrain.training.layer_statistics import LayerMeter
from tuitrain.training.optim.fused import FusedStep
from tuitrain.training.optim.groups import SCALE
from tuitrain.training.optim.norms import layer_gradient_norms, short, trainable
from tuitrain.training.progress import evaluated_weights, restore_checkpoint
from tuitrain.training.readback import PendingRow, queue_limiter
from tuitrain.training.resources import ResourceMeter

# With more rows on their way from a GPU, the loop waits for the oldest one.
MAX_PENDING = 64


class Loop(ControlledLoop):
    """Trains a run from its last checkpoint, or from the beginning, and writes everything that happens to its folder.
    Call `restore`, then `run`."""

    # Whether the loop has completed a step or an epoch.
    has_progressed = False
    _resuming = False
    # The learning rate of the latest step.
    _lr = 0.0
    # Whether the layers are measured after this step.
    _measures = False

    @cached_property
    def _pending_rows(self) -> deque[PendingRow]:
        """The rows whose values are on their way, the oldest first."""
        return deque()

    def restore(self) -> None:
        """Load the last checkpoint, if any. Raises RunError if the file is damaged or from another model."""
        self._resuming = self._last_checkpoint.exists()
        if self._resuming:
            self.progress = restore_checkpoint(self._last_checkpoint, self.setup, self.metrics)
            # The state knows the epochs and the schedule: the loop writes it first, and a failed extension restores it.
            state, progress = self.writer.previous, self.progress
            if state.epochs:
                progress.epochs = state.epochs
                progress.schedule_start, progress.schedule_end = state.schedule_start, state.schedule_end

    def run(self) -> None:
        """Train to the end. Raises Stopped, Detached, TrainingError if the loss is not finite, and whatever torch, the
        file system or a user's function raises."""
        self.start()
        if self.config.finetune.freeze == "backbone":
            self._abortable(self._compute_features)
        while not self._done:
            # A run that was stopped between an epoch's last step and its evaluation has no batch left.
            if self.progress.batch < self.setup.batches_per_epoch:
                self._train_epoch()
            self._abortable(self._end_epoch)
        self._finish()

    def _compute_features(self) -> None:
        self.update_state(phase="computing features", now=True)
        images = self.setup.dataset.train
        for line in compute_features(self.setup, self._heartbeat):
            self.writer.log(line)
        log_replaced_images(images, self.writer)
        self.update_state(phase="training")
        self._poll_commands()

    def start(self) -> None:
        """Write the first event and, for a new run, the first checkpoint."""
        if self._resuming:
            self._publish_lr()
            self.update_state(phase="training")
            self.writer.event("continued")
        if self._epochs:
            self._set_epochs(self._epochs, self._schedule)
        if not self._resuming:
            if self.writer.resumed:
                self.writer.log("no checkpoint yet, starting from the beginning")
            self._save_checkpoint()
            self.update_state(phase="training", started=self.writer.now())
            self.writer.event("started")
        elif self._epochs:
            # A kill must not lose the new epochs and the schedule.
            self._save_checkpoint()
        # A run that was stopped before its first step may lack this evaluation.
        if self.config.evaluation.at_start and not self.progress.batch + self.progress.step + self.progress.epoch:
            self._abortable(self._evaluate_at_start)

    def _evaluate_at_start(self) -> None:
        if self.writer.state.validation is None and self.setup.dataset.validation is not None:
            evaluate_at_start(self.setup, self.writer, self.progress, self._heartbeat)
            self.writer.log(epoch_line(self.progress, self.config, self.writer.state, Verdict()))
            self.update_state(phase="training")

    @property
    def _done(self) -> bool:
        return self.progress.epoch >= self.progress.epochs or bool(self.progress.over)

    def _finish(self) -> None:
        if self.progress.epoch >= self.progress.epochs:
            # Patience or a time budget that ran out in the last epoch cut nothing short.
            self.progress.over = ""
        self._abortable(lambda: evaluate_final(self.setup, self.writer, self.progress, self._heartbeat))
        self.update_state(now=True)

    def _train_epoch(self) -> None:
        """Train on the rest of the current epoch, or until `progress.over` says why to end."""
        set_training_mode(self.setup.model, self.config, frozen=self.setup.frozen)
        captured, limiter = self._captured, queue_limiter(self.setup.device)
        order = self._remaining_order()
        self.start_clock()
        for norms in self._graph_steps(captured, order) if captured else self._eager_steps(order):
            if norms is not None:
                self.start_row(norms)
            if limiter is not None:
                limiter.step()
                self._write_rows(wait=False)
            if time.monotonic() - self._polled >= POLL_INTERVAL:
                self._poll_commands()
                self._resources.write_if_due(self.writer, self.progress, self._training_seconds())
                if self.progress.over:
                    break
        self._write_rows(wait=True)
        self.stop_clock()

    def _remaining_order(self) -> Tensor:
        """Return the image indices (M,) that the current epoch has left."""
        return self.setup.epoch_order(self.progress.epoch)[self.progress.batch * self.config.data.images_per_batch :]

    def _eager_steps(self, order: Tensor) -> Iterator[Tensor | None]:
        """Train on the images at `order` (M,). Yield each step's gradient norms (L,), or None if no row is due."""
        setup, progress, optimizer, scaler = self.setup, self.progress, self.setup.optimizer, self.setup.scaler
        clip, accumulate = self.config.optimizer.clip_norm, self.config.optimizer.accumulate
        batches, scaled = setup.batches_per_epoch, scaler.is_enabled()
        backward, fused_step = build_backward(setup), FusedStep(optimizer)
        for pixels, classes in self._resources.timed(setup.batches(order)):
            images, labels = setup.inputs_and_labels(pixels, classes)  # (N, C, H, W), (N,) or (N, K)
            # The epoch's last step may accumulate fewer mini-batches.
            accumulated = min(accumulate, batches - progress.batch // accumulate * accumulate)
            loss, logits = backward(images, labels, accumulated)  # (), (N, K)
            self.metrics.add(loss, logits, labels)
            progress.batch += 1
            if progress.batch % accumulate and progress.batch < batches:
                continue

            row_due = self._begin_step()
            if scaled and (row_due or clip):
                # Norms and clipping are of the gradients without the scaler's factor.
                scaler.unscale_(optimizer)
            norms = layer_gradient_norms(setup.layers) if row_due else None
            if clip:
                torch.nn.utils.clip_grad_norm_(setup.model.parameters(), clip)
            if scaled:
                scaler.step(optimizer)
                scaler.update()
            else:
                fused_step()
            backward.zero_grad()
            self._end_step(images)
            yield norms

    def _graph_steps(self, captured: GraphStep, order: Tensor) -> Iterator[Tensor | None]:
        """As `_eager_steps`, but replay a CUDA graph; the smaller last mini-batch of the epoch takes an eager step."""
        for indices in captured.batches(order):  # (N,)
            self.progress.batch += 1
            row_due = self._begin_step()
            captured(indices, self._lr)
            self._end_step(captured.inputs(indices) if self._measures else None)
            yield captured.norms() if row_due else None
        if self.progress.batch < self.setup.batches_per_epoch:
            yield from self._eager_steps(order[-(len(order) % self.config.data.images_per_batch) :])

    def _begin_step(self) -> bool:
        """Count the next step and set its learning rate; return whether a row is due after the step."""
        progress = self.progress
        self._lr = self.lr_curve.rate(progress.step)
        for group in self.setup.optimizer.param_groups:
            group["lr"] = self._lr * group.get(SCALE, 1.0)
        progress.step += 1
        self._measures = self._meter.before_step(progress.step)
        epoch_ends = progress.batch == self.setup.batches_per_epoch
        return epoch_ends or self.setup.row_due(progress.step)

    def _end_step(self, inputs: Tensor | None) -> None:
        """Average the weights, and measure the layers if that is due, on the `inputs` of the network in this step."""
        progress, self.has_progressed = self.progress, True
        if self.setup.average is not None:
            self.setup.average.update(progress.step - 1)
        if self._measures and inputs is not None:
            values, seconds = self._meter.measure(inputs), round(self._training_seconds(), 4)
            self.writer.row(LayerStatistics(progress.step, progress.epoch + 1, seconds, self.writer.now(), **values))

    @cached_property
    def _meter(self) -> LayerMeter:
        return LayerMeter(self.setup)

    @cached_property
    def _resources(self) -> ResourceMeter:
        return ResourceMeter(self.setup.device, self.progress.seconds)

    @cached_property
    def _captured(self) -> GraphStep | None:
        """The step of a whole mini-batch as a CUDA graph; None if the device or the run does not allow it."""
        return try_capture([self], self._capture) if self.setup.device.type == "cuda" else None

    def _capture(self) -> GraphStep:
        obstacle = capture_obstacle(self.setup)
        if obstacle:
            warm_up(self.setup)
            raise RuntimeError(obstacle)
        return GraphStep(self.setup, self.metrics)

    def start_row(self, norms: Tensor) -> None:
        """Start reading the values of a metrics row; training continues while they are copied from the GPU."""
        if len(self._pending_rows) == MAX_PENDING:
            self._write_row(self._pending_rows.popleft())
        self.progress.samples += self.metrics.samples
        self._pending_rows.append(PendingRow(self.progress.step, self._lr, *self.metrics.start_readback(norms)))
        self._write_rows(wait=False)

    def _write_rows(self, *, wait: bool) -> None:
        while self._pending_rows and (wait or self._pending_rows[0].readback.ready):
            self._write_row(self._pending_rows.popleft())

    def _write_row(self, row: PendingRow) -> None:
        """Wait for the values of a row and write it."""
        losses, correct, norms = row.readback.read()
        self._check_finite(losses, row.step)
        loss_sum = sum(loss * size for loss, size in zip(losses, row.batch_sizes, strict=True))
        progress, samples = self.progress, sum(row.batch_sizes)
        progress.count(loss_sum, correct, samples)
        self.writer.row(
            Train(
                row.step, progress.epoch + 1, loss_sum / samples, correct / samples, row.lr,
                round(self._training_seconds(), 4), self.writer.now(),
                short(math.hypot(*norms)), tuple(map(short, norms, trainable(self.setup.layers))),
            )
        )  # fmt: skip
        self.update_state(train=Score(progress.loss_sum / progress.seen, progress.correct / progress.seen))

    def _end_epoch(self) -> None:
        """Evaluate the model and save checkpoints, after an epoch or when training ends within one."""
        progress = self.progress
        verdict = evaluate_validation(self.setup, self.writer, progress, self._heartbeat)
        apply_patience(progress, self.config, self.writer, improves=verdict.improves)
        completed = progress.batch >= self.setup.batches_per_epoch
        every = self.config.evaluation.test_every
        # The last epoch's test is that of `evaluate_final`.
        last = progress.epoch + 1 >= progress.epochs or progress.over
        if every and completed and (progress.epoch + 1) % every == 0 and not last:
            evaluate_test(self.setup, self.writer, progress, self._heartbeat)
        self.writer.log(epoch_line(progress, self.config, self.writer.state, verdict))
        log_replaced_images(self.setup.dataset.train, self.writer)
        if completed:
            progress.epoch, progress.batch = progress.epoch + 1, 0
            self.has_progressed = True
            progress.loss_sum, progress.correct, progress.seen = 0.0, 0, 0
            self._unfreeze_if_due()
        if verdict.is_best:
            best = self._last_checkpoint.with_name("best.safetensors")
            checkpoint.save(best, {"model": evaluated_weights(self.setup)})
        self.update_state(phase="training")
        self._save_checkpoint()
        self._poll_commands()

    def _unfreeze_if_due(self) -> None:
        """Train all weights after `finetune.freeze_epochs`. The checkpoint that follows includes their optimizer."""
        if self.setup.frozen and not is_frozen(self.config, self.progress.epoch):
            self.setup.unfreeze()
            # A graph contains the parameters that train.
            self.__dict__.pop("_captured", None)
            self.writer.log("all weights train from this epoch on", detail=True)
