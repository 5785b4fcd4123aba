"""Train several runs as one stacked network.

On a GPU, launching the kernels takes most of a small network's step. A stack launches them once for all its runs.
"""

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor

from tuitrain.config.schema import Config
from tuitrain.runs.control import Inbox
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.records import State
from tuitrain.runs.writer import RunWriter
from tuitrain.training import device as devices
from tuitrain.training.control import try_capture
from tuitrain.training.data.shared import SharedBatches, SharedSplit
from tuitrain.training.metrics import StackedMetrics
from tuitrain.training.readback import queue_limiter
from tuitrain.training.stacking.graph_step import StackedGraphStep
from tuitrain.training.stacking.interleaved import InterleavedTraining
from tuitrain.training.stacking.member import Member
from tuitrain.training.stacking.network import StackedMLP, StackedOptimizer


def group_training(
    runs: Sequence[tuple[RunWriter, Inbox]], on_end: Callable[[RunFolder, State], None]
) -> InterleavedTraining:
    """Return interleaved training on the CPU and stacked training on a GPU: the faster way on each. All runs have the
    same `stacking_key`. Raises ConfigError if their device does not exist."""
    writer, _ = runs[0]
    on_cpu = devices.choose_device(writer.folder.config().training.device).type == "cpu"
    return (InterleavedTraining if on_cpu else StackedTraining)(runs, on_end)


class StackedTraining(InterleavedTraining):
    """Train the members at the same position, epoch and mini-batch, as one network."""

    _formed_stack: tuple[list[Member], list[tuple[float, ...]]] = [], []
    _captured: StackedGraphStep | None = None

    def _advance(self, ready: Sequence[Member]) -> None:
        behind = min(member.position for member in ready)
        stack = sorted((member for member in ready if member.position == behind), key=lambda member: member.step_key)
        if not stack[0].epoch_complete:
            self._attempt_all(stack, partial(self._train, stack, self._last_batch(stack[0], ready)))
        self._each([member for member in stack if member.epoch_complete], Member.end_epoch)

    def _last_batch(self, member: Member, ready: Sequence[Member]) -> int:
        """Return the mini-batch at which `member` reaches the next member of its epoch, or the end of the epoch."""
        progress = member.progress
        batches = [other.progress.batch for other in ready if other.progress.epoch == progress.epoch]
        return min((batch for batch in batches if batch > progress.batch), default=member.setup.batches_per_epoch)

    def _form(self, members: list[Member]) -> None:
        """Stack the networks and optimizers of `members`, unless they already form the stack."""
        keys = [member.step_key for member in members]
        if self._formed_stack == (members, keys):
            return
        self._formed_stack = members, keys
        # The next graph may need the memory of this one.
        self._captured = None
        setups = [member.setup for member in members]
        self._net = StackedMLP([setup.model.train() for setup in setups], setups[0].config.training.label_smoothing)
        self._optimizer = StackedOptimizer(setups, self._net, keys)
        self._metrics = StackedMetrics([member.metrics for member in members])
        train = setups[0].dataset.train
        assert isinstance(train, SharedSplit)
        self._batches = SharedBatches(train.whole, [setup.normalize for setup in setups])
        self._queue_limiter = queue_limiter(setups[0].device)
        if setups[0].device.type == "cuda":
            self._captured = try_capture(members, partial(self._capture, len(members), setups[0].config))

    def _capture(self, count: int, config: Config) -> StackedGraphStep:
        """Capture the step of a full mini-batch of `count` runs as a CUDA graph."""
        if self._optimizer.capture_obstacle:
            raise RuntimeError(self._optimizer.capture_obstacle)
        shape, clip = (count, config.data.images_per_batch), config.optimizer.clip_norm
        return StackedGraphStep(self._net, self._optimizer, self._batches, self._metrics, shape, clip)

    def _train(self, members: list[Member], end: int) -> None:
        """Train up to mini-batch `end` of the epoch; stop earlier if a command or an ending changes the stack."""
        self._form(members)
        first, config = members[0], members[0].config
        indices = torch.stack([member.next_indices(end) for member in members])
        for member in members:
            member.start_clock()
        for chunk in torch.split(indices, config.data.images_per_batch, 1):
            rows_due = [member.begin_step() for member in members]
            norms = self._step(chunk, config, rows_due[0])
            for member in members:
                member.has_progressed = True
            if self._queue_limiter is not None:
                self._queue_limiter.step()
            if self._after_step(dict(zip(members, norms, strict=True)) if norms is not None else {}):
                break
        if first.setup.device.type == "cuda":
            torch.cuda.synchronize(first.setup.device)
        for member in members:
            member.stop_clock()

    def _step(self, indices: Tensor, config: Config, row_due: bool) -> Tensor | None:
        """Take a step on the images at `indices`, (R, N) int64; return gradient norms (R, L) if a row is due."""
        if self._captured is not None and indices.shape == self._captured.indices.shape:
            self._captured(indices)
            return self._captured.norms() if row_due else None
        images, labels = self._batches(indices)
        losses, logits = self._net(images, labels)
        self._metrics.add(losses, logits, labels)
        norms = self._net.norms() if row_due else None
        if config.optimizer.clip_norm:
            self._net.clip(config.optimizer.clip_norm)
        self._optimizer.step()
        return norms

    def _after_step(self, norms: dict[Member, Tensor]) -> bool:
        """Start a metrics row for each member in `norms` and poll commands; return whether the stack must change."""
        if norms:
            self._each(list(norms), lambda member: member.start_row(norms[member]))
        return (self._poll_if_due() or bool(norms)) and self._changed()

    def _changed(self) -> bool:
        members, keys = self._formed_stack
        left = any(member.paused or member not in self._members for member in members)
        return left or keys != [member.step_key for member in members]

    def _attempt_all(self, members: Sequence[Member], action: Callable[[], None]) -> None:
        """Run `action`; if it raises, end each of `members` with its exception."""
        try:
            action()
        except Exception as error:
            self._formed_stack = [], []
            self._each([member for member in members if member in self._members], partial(_raise, error))


def _raise(error: Exception, member: Member) -> None:  # noqa: ARG001
    raise error
