"""A step of all networks of a stack as one CUDA graph."""

import torch
from torch import Tensor

from tuitrain.training.cuda_graphs.graph import Beside, Record, record
from tuitrain.training.cuda_graphs.warmup import taken_back
from tuitrain.training.data.shared import SharedBatches
from tuitrain.training.metrics import StackedMetrics
from tuitrain.training.stacking.network import StackedMLP, StackedOptimizer


class CapturedStack:
    """Takes the step that `net` and `optimizer` take eagerly, from `rows` (R, N) of the images of `batches`, and counts
    it in `metrics`. Raises anything where it cannot be recorded."""

    def __init__(
        self,
        net: StackedMLP,
        optimizer: StackedOptimizer,
        batches: SharedBatches,
        metrics: StackedMetrics,
        shape: tuple[int, int],
        clip: float | None,
        record: Record = record,
    ) -> None:
        self._net, self._optimizer, self._batches, self._metrics, self._clip = net, optimizer, batches, metrics, clip
        device = net.parameters[0].device
        self.rows = torch.zeros(shape, dtype=torch.int64, device=device)
        self._beside = Beside(device)
        self._norms: Tensor | None = None
        with taken_back([*net.parameters, *metrics.device_tensors], optimizer.optimizers, device):
            self._replay = record(self._rehearse, self._step)

    def __call__(self, rows: Tensor) -> None:
        """Asks for the step, with the learning rates of the setups' own optimizers, and waits for nothing."""
        self._optimizer.set_rates()
        self.rows.copy_(rows)
        self._replay()
        self._metrics.note_batch(rows.shape[1])

    def norms(self) -> Tensor:
        """(R, L): of the gradients of the step just asked for; not for long."""
        return self._net.norms() if self._norms is None else self._norms

    def _rehearse(self) -> None:
        self._step()
        self._metrics.reset_position()

    def _step(self) -> None:
        images, labels = self._batches(self.rows)
        losses, logits = self._net(images, labels)
        with self._beside(lambda: self._metrics.add_on_device(losses, logits, labels)):
            if self._clip:
                # After the step they are those of clipped gradients.
                self._norms = self._net.norms()
                self._net.clip(self._clip)
            self._optimizer.update()
