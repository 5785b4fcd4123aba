"""Loss and accuracy of the global batches."""

import torch
from torch import Tensor

from tuitrain.training.distributed.group import Group
from tuitrain.training.metrics import RunningMetrics
from tuitrain.training.readback import Readback
from tuitrain.training.setup import Setup


class SharedMetrics(RunningMetrics):
    """Sums the parts of this rank, and adds those of the others when a row is due."""

    def __init__(self, capacity: int, device: torch.device, group: Group) -> None:
        super().__init__(capacity, device)
        self._group = group

    def add(self, loss: Tensor, logits: Tensor, labels: Tensor) -> None:
        """Add this rank's part of the `loss` of a global batch, and the logits and labels of its share."""
        share = self._group.share
        super().add(loss, logits[: share.own], labels[: share.own])
        self._sizes[-1] = share.whole

    def start_readback(self, *extra: Tensor) -> tuple[list[int], Readback]:
        """Start to read the metrics of the global batches: see `RunningMetrics`. All ranks must call this at the same
        step."""
        self._flush()
        self._group.sum_(self._losses[: len(self)])
        self._group.sum_(self._correct)
        return super().start_readback(*extra)


def build_metrics(setup: Setup, capacity: int) -> RunningMetrics:
    """Return the metrics of up to `capacity` mini-batches: of this process, or of all ranks."""
    if setup.group is None:
        return RunningMetrics(capacity, setup.device)
    return SharedMetrics(capacity, setup.device, setup.group)
