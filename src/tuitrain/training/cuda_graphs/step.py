"""A whole training step as one CUDA graph."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from tuitrain.training.backward import Autograd
from tuitrain.training.cuda_graphs.graph import Beside, Record, Update, capturable, record
from tuitrain.training.cuda_graphs.warmup import taken_back
from tuitrain.training.data import MemorySplit
from tuitrain.training.data.splits import moved
from tuitrain.training.metrics import Window
from tuitrain.training.optim.build import layer_norms, parts
from tuitrain.training.setup import Job


def obstacle(job: Job) -> str:
    """What of the run a graph cannot hold, in the user's words; empty where it can hold all."""
    config, train = job.config, job.dataset.train
    obstacles = {
        f"optimizer.name = {config.optimizer.name}": not capturable(job.optimizer),
        f"optimizer.accumulate = {config.optimizer.accumulate}": config.optimizer.accumulate > 1,
        "training.precision = fp16": job.scaler.is_enabled(),
        "data.transform, which may do anything": config.data.transform is not None,
        "images that are read as training goes": not isinstance(train, MemorySplit),
        "fewer images than a batch": job.images < config.data.batch_size,
    }
    return next((name for name, there in obstacles.items() if there), "")


class Captured:
    """Takes a step from a whole mini-batch of a `job` without `obstacle`, as the eager loop does, and counts it in
    `window`; a smaller one is the eager loop's. Raises anything where it cannot be recorded."""

    def __init__(self, job: Job, window: Window, record: Record = record) -> None:
        assert isinstance(job.dataset.train, MemorySplit)
        self._job, self._window, self._split, self._gradients = job, window, job.dataset.train, Autograd(job)
        self._size, self._parameters = job.config.data.batch_size, list(job.model.parameters())
        self._rows = torch.arange(self._size, device=job.device)
        self._update, self._beside = Update(job.optimizer), Beside(job.device)
        self._norms: Tensor | None = None
        try:
            with taken_back([*job.model.state_dict().values(), *window.tensors], parts(job.optimizer), job.device):
                self._replay = record(self._rehearse, self._step)
            # The graph writes them where they are.
            self._grads = [parameter.grad for parameter in self._parameters]
        finally:
            job.optimizer.zero_grad()

    def batches(self, order: Tensor) -> Iterator[Tensor]:
        """The rows of the whole mini-batches of `order`, each (N,)."""
        whole = len(order) // self._size * self._size
        return iter(moved(order[:whole], self._job.device).view(-1, self._size).unbind())

    def __call__(self, rows: Tensor, rate: float) -> None:
        """Asks for the step, at the learning rate `rate`, and waits for nothing."""
        self._update.set_rate(rate)
        self._rows.copy_(rows)
        self._replay()
        self._window.counted(len(rows))

    def norms(self) -> Tensor:
        """Of the gradients of the step just asked for, as `layer_norms`; not for long."""
        if self._norms is not None:
            return self._norms
        for parameter, grad in zip(self._parameters, self._grads, strict=True):
            parameter.grad = grad
        norms = layer_norms(self._job.layers)
        self._job.optimizer.zero_grad()
        return norms

    def _rehearse(self) -> None:
        self._step()
        self._window.rewind()

    def _step(self) -> None:
        job, clip = self._job, self._job.config.optimizer.clip_norm
        job.optimizer.zero_grad()
        images, labels = self._split.at(self._rows)
        for change in job.changes:
            images = change(images)
        loss, logits = self._gradients.forward(images, labels)
        with self._beside(lambda: self._window.count(loss.detach(), logits.detach(), labels)):
            self._gradients.backward(loss)
            if clip:
                # After the step they are those of clipped gradients.
                self._norms = layer_norms(job.layers)
                nn.utils.clip_grad_norm_(self._parameters, clip)
            self._update()
