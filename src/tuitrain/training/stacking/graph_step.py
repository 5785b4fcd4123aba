"""A training step of all networks of a stack, captured as one CUDA graph."""

import torch
from torch import Tensor

from tuitrain.training.cuda_graphs.graph import CaptureFunction, SideStream, capture_graph
from tuitrain.training.cuda_graphs.warmup import preserve_state
from tuitrain.training.data.shared import SharedBatches
from tuitrain.training.metrics import StackedMetrics
from tuitrain.training.stacking.network import StackedMLP, StackedOptimizer


class StackedGraphStep:
    """The step that `net` and `optimizer` take eagerly, captured as a CUDA graph; it adds its results to `metrics`.
    `shape` is (R, N): the number of runs and the batch size. The constructor raises whatever the capture raises."""

    def __init__(
        self,
        net: StackedMLP,
        optimizer: StackedOptimizer,
        batches: SharedBatches,
        metrics: StackedMetrics,
        shape: tuple[int, int],
        clip: float | None,
        capture: CaptureFunction = capture_graph,
    ) -> None:
        self._net, self._optimizer, self._batches, self._metrics, self._clip = net, optimizer, batches, metrics, clip
        device = net.parameters[0].device
        # The static input buffer of the graph.
        self.indices = torch.zeros(shape, dtype=torch.int64, device=device)
        self._side_stream = SideStream(device)
        self._norms: Tensor | None = None
        with preserve_state([*net.parameters, *metrics.device_tensors], optimizer.optimizers, device):
            self._replay = capture(self._warm_up, self._step)

    def __call__(self, indices: Tensor) -> None:
        """Queue a step on the images at `indices`, (R, N) int64, with the current learning rate of each run's
        optimizer. Does not wait for the device."""
        self._optimizer.set_lrs()
        self.indices.copy_(indices)
        self._replay()
        self._metrics.note_batch(indices.shape[1])

    def norms(self) -> Tensor:
        """Return the gradient norms of the last step before clipping, (R, L); the next step overwrites them."""
        return self._net.norms() if self._norms is None else self._norms

    def _warm_up(self) -> None:
        self._step()
        self._metrics.reset_position()

    def _step(self) -> None:
        images, labels = self._batches(self.indices)
        losses, logits = self._net(images, labels)
        with self._side_stream(lambda: self._metrics.add_on_device(losses, logits, labels)):
            if self._clip:
                # After clipping, the gradients no longer have these norms.
                self._norms = self._net.norms()
                self._net.clip(self._clip)
            self._optimizer.capturable_step()
