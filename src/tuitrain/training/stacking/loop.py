"""Training several runs as one stacked network: on a GPU a step of a small network is mostly the launch of its kernels,
and a step of many costs that once."""

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
from tuitrain.training.cuda_graphs.graph import not_captured, words
from tuitrain.training.data.shared import SharedBatches, SharedSplit
from tuitrain.training.metrics import StackedMetrics
from tuitrain.training.readback import queue_limiter
from tuitrain.training.stacking.graph_step import CapturedStack
from tuitrain.training.stacking.member import Member
from tuitrain.training.stacking.network import StackedMLP, StackedOptimizer
from tuitrain.training.stacking.turns import Together


def together(runs: Sequence[tuple[RunWriter, Inbox]], ended: Callable[[RunFolder, State], None]) -> Together:
    """The way that is faster on the device of the runs, which have the same `stacking_key`. Raises ConfigError where
    there is none."""
    writer, _ = runs[0]
    on_cpu = devices.choose_device(writer.folder.config().training.device).type == "cpu"
    return (Together if on_cpu else Stack)(runs, ended)


class Stack(Together):
    """The members that are equally far go from mini-batch to mini-batch together."""

    _formed: tuple[list[Member], list[tuple[float, ...]]] = [], []
    _captured: CapturedStack | None = None

    def _advance(self, ready: Sequence[Member]) -> None:
        behind = min(member.position for member in ready)
        front = sorted((one for one in ready if one.position == behind), key=lambda member: member.kind)
        if not front[0].at_end:
            self._attempt_all(front, partial(self._train, front, self._end(front[0], ready)))
        self._each([member for member in front if member.at_end], Member.end_epoch)

    def _end(self, first: Member, ready: Sequence[Member]) -> int:
        """The mini-batch of its epoch up to which `first` goes before others join in."""
        ahead = [member.progress.batch for member in ready if member.progress.epoch == first.progress.epoch]
        return min((batch for batch in ahead if batch > first.progress.batch), default=first.setup.batches_per_epoch)

    def _form(self, members: list[Member]) -> None:
        """Make the members the ones that are stacked."""
        kinds = [member.kind for member in members]
        if self._formed == (members, kinds):
            return
        self._formed = members, kinds
        # Its memory may be needed by the next one.
        self._captured = None
        setups = [member.setup for member in members]
        self._net = StackedMLP([setup.model.train() for setup in setups], setups[0].config.training.label_smoothing)
        self._optimizer = StackedOptimizer(setups, self._net, kinds)
        self._metrics = StackedMetrics([member.metrics for member in members])
        self._batches = SharedBatches(
            [setup.dataset.train for setup in setups if isinstance(setup.dataset.train, SharedSplit)]
        )
        self._lead = queue_limiter(setups[0].device)
        self._captured = self._capture(members) if setups[0].device.type == "cuda" else None

    def _capture(self, members: Sequence[Member]) -> CapturedStack | None:
        """The step of whole mini-batches as a CUDA graph, where it can be one; not counted as training."""
        config = members[0].config
        shape = len(members), config.data.batch_size
        reason = self._optimizer.obstacle
        for member in members:
            member.phase("warm-up")
        try:
            if not reason:
                return CapturedStack(
                    self._net, self._optimizer, self._batches, self._metrics, shape, config.optimizer.clip_norm
                )
        except Exception as error:
            reason = words(error)
        finally:
            for member in members:
                member.phase("training")
        for member in members:
            member.writer.log(not_captured(reason))
        devices.release_memory()
        return None

    def _train(self, members: list[Member], end: int) -> None:
        """The steps up to the epoch's mini-batch `end`, or fewer, where a member leaves or is steered on the way."""
        self._form(members)
        first, config = members[0], members[0].config
        rows = torch.stack([member.rows(end) for member in members])
        for member in members:
            member.start()
        for chunk in torch.split(rows, config.data.batch_size, 1):
            for member in members:
                member.count()
            row_due = (
                first.progress.step % config.training.log_every == 0
                or first.progress.batch == first.setup.batches_per_epoch
            )
            norms = self._step(chunk, config, row_due)
            if self._lead is not None:
                self._lead.step()
            if self._heed(dict(zip(members, norms, strict=True)) if norms is not None else {}):
                break
        if first.setup.device.type == "cuda":
            torch.cuda.synchronize(first.setup.device)
        for member in members:
            member.stop()

    def _step(self, rows: Tensor, config: Config, row_due: bool) -> Tensor | None:
        """From `rows` (R, N); where a row is due, the norms of the gradients (R, L)."""
        if self._captured is not None and rows.shape == self._captured.rows.shape:
            self._captured(rows)
            return self._captured.norms() if row_due else None
        images, labels = self._batches(rows)
        losses, logits = self._net(images, labels)
        self._metrics.add(losses, logits, labels)
        norms = self._net.norms() if row_due else None
        if config.optimizer.clip_norm:
            self._net.clip(config.optimizer.clip_norm)
        self._optimizer.step()
        return norms

    def _heed(self, norms: dict[Member, Tensor]) -> bool:
        """Rows, where `norms` are there for them, and now and then commands; whether who is stacked has changed."""
        if norms:
            self._each(list(norms), lambda member: member.row(norms[member]))
        return (self._look_if_due() or bool(norms)) and self._changed()

    def _changed(self) -> bool:
        members, kinds = self._formed
        return any(member.paused or member not in self._members for member in members) or kinds != [
            member.kind for member in members
        ]

    def _attempt_all(self, members: Sequence[Member], action: Callable[[], None]) -> None:
        """What goes wrong for all is the end of each."""
        try:
            action()
        except Exception as error:
            self._formed = [], []
            self._each([member for member in members if member in self._members], partial(_again, error))


def _again(error: Exception, member: Member) -> None:  # noqa: ARG001
    raise error
