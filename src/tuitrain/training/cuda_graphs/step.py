"""A whole training step as one CUDA graph."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from tuitrain.training.backward import AutogradBackward
from tuitrain.training.cuda_graphs.graph import Beside, Record, Update, capturable, record
from tuitrain.training.cuda_graphs.warmup import taken_back
from tuitrain.training.data import MemorySplit
from tuitrain.training.data.splits import moved
from tuitrain.training.metrics import RunningMetrics
from tuitrain.training.optim.build import inner_optimizers
from tuitrain.training.optim.norms import layer_gradient_norms
from tuitrain.training.setup import Setup


def obstacle(setup: Setup) -> str:
    """What of the run a graph cannot hold, in the user's words; empty where it can hold all."""
    config, train = setup.config, setup.dataset.train
    obstacles = {
        f"optimizer.name = {config.optimizer.name}": not capturable(setup.optimizer),
        f"optimizer.accumulate = {config.optimizer.accumulate}": config.optimizer.accumulate > 1,
        "training.precision = fp16": setup.scaler.is_enabled(),
        "data.transform, which may do anything": config.data.transform is not None,
        "images that are read as training goes": not isinstance(train, MemorySplit),
        "fewer images than a batch": setup.images_per_epoch < config.data.batch_size,
    }
    return next((name for name, there in obstacles.items() if there), "")


class Captured:
    """Takes a step from a whole mini-batch of a `setup` without `obstacle`, as the eager loop does, and counts it in
    `metrics`; a smaller one is the eager loop's. Raises anything where it cannot be recorded."""

    def __init__(self, setup: Setup, metrics: RunningMetrics, record: Record = record) -> None:
        assert isinstance(setup.dataset.train, MemorySplit)
        self._setup, self._metrics, self._split, self._gradients = (
            setup,
            metrics,
            setup.dataset.train,
            AutogradBackward(setup),
        )
        self._size, self._parameters = setup.config.data.batch_size, list(setup.model.parameters())
        self._rows = torch.arange(self._size, device=setup.device)
        self._update, self._beside = Update(setup.optimizer), Beside(setup.device)
        self._norms: Tensor | None = None
        try:
            with taken_back(
                [*setup.model.state_dict().values(), *metrics.device_tensors],
                inner_optimizers(setup.optimizer),
                setup.device,
            ):
                self._replay = record(self._rehearse, self._step)
            # The graph writes them where they are.
            self._grads = [parameter.grad for parameter in self._parameters]
        finally:
            setup.optimizer.zero_grad()

    def batches(self, order: Tensor) -> Iterator[Tensor]:
        """The rows of the whole mini-batches of `order`, each (N,)."""
        whole = len(order) // self._size * self._size
        return iter(moved(order[:whole], self._setup.device).view(-1, self._size).unbind())

    def __call__(self, rows: Tensor, rate: float) -> None:
        """Asks for the step, at the learning rate `rate`, and waits for nothing."""
        self._update.set_rate(rate)
        self._rows.copy_(rows)
        self._replay()
        self._metrics.note_batch(len(rows))

    def norms(self) -> Tensor:
        """Of the gradients of the step just asked for, as `layer_gradient_norms`; not for long."""
        if self._norms is not None:
            return self._norms
        for parameter, grad in zip(self._parameters, self._grads, strict=True):
            parameter.grad = grad
        norms = layer_gradient_norms(self._setup.layers)
        self._setup.optimizer.zero_grad()
        return norms

    def _rehearse(self) -> None:
        self._step()
        self._metrics.reset_position()

    def _step(self) -> None:
        setup, clip = self._setup, self._setup.config.optimizer.clip_norm
        setup.optimizer.zero_grad()
        images, labels = self._split.at(self._rows)
        for change in setup.transforms:
            images = change(images)
        loss, logits = self._gradients.forward(images, labels)
        with self._beside(lambda: self._metrics.add_on_device(loss.detach(), logits.detach(), labels)):
            self._gradients.backward(loss)
            if clip:
                # After the step they are those of clipped gradients.
                self._norms = layer_gradient_norms(setup.layers)
                nn.utils.clip_grad_norm_(self._parameters, clip)
            self._update()
