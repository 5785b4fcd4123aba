"""A whole training step as one CUDA graph."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from tuitrain.config.code import is_spec
from tuitrain.training.backward import AutogradBackward
from tuitrain.training.cuda_graphs.graph import CaptureFunction, OptimizerStep, SideStream, capture_graph, is_capturable
from tuitrain.training.cuda_graphs.warmup import preserve_state
from tuitrain.training.data.splits import MemorySplit, to_device
from tuitrain.training.metrics import RunningMetrics
from tuitrain.training.optim.build import inner_optimizers
from tuitrain.training.optim.norms import layer_gradient_norms
from tuitrain.training.setup import Setup


def capture_obstacle(setup: Setup) -> str:
    """Return the setting that prevents capturing this run's steps as a CUDA graph, or an empty string."""
    config, train = setup.config, setup.dataset.train
    obstacles = {
        f"optimizer.name = {config.optimizer.name}": not is_capturable(setup.optimizer),
        f"optimizer.accumulate = {config.optimizer.accumulate}": config.optimizer.accumulate > 1,
        "training.precision = fp16": setup.scaler.is_enabled(),
        "training.checkpointing, which restores the state of random generators": config.training.checkpointing,
        "training.compile, which makes graphs of its own": config.training.compile,
        "data.transform, which may run any code": config.data.transform is not None,
        "a network from a file, which may run any code": is_spec(config.model.name),
        "images read from disk during training": not isinstance(train, MemorySplit),
        "fewer images than a batch": setup.images_per_epoch < config.data.images_per_batch,
    }
    return next((name for name, present in obstacles.items() if present), "")


class GraphStep:
    """A training step on a full mini-batch, captured as a CUDA graph; it adds loss and accuracy to `metrics`.

    `setup` must have no `capture_obstacle`. The loop takes an eager step on a smaller last mini-batch. The constructor
    raises whatever the capture raises.
    """

    def __init__(self, setup: Setup, metrics: RunningMetrics, capture: CaptureFunction = capture_graph) -> None:
        assert isinstance(setup.dataset.train, MemorySplit)
        self._setup, self._metrics, self._split = setup, metrics, setup.dataset.train
        self._backward = AutogradBackward(setup)
        self._batch_size, self._parameters = setup.config.data.images_per_batch, list(setup.model.parameters())
        # The static input buffer of the graph.
        self._indices = torch.arange(self._batch_size, device=setup.device)
        self._optimizer_step, self._side_stream = OptimizerStep(setup.optimizer), SideStream(setup.device)
        self._norms: Tensor | None = None
        try:
            with preserve_state(
                [*setup.model.state_dict().values(), *metrics.device_tensors],
                inner_optimizers(setup.optimizer),
                setup.device,
            ):
                self._replay = capture(self._warm_up, self._step)
            # The graph always writes the gradients to these tensors.
            self._grads = [parameter.grad for parameter in self._parameters]
        finally:
            setup.optimizer.zero_grad()

    def batches(self, order: Tensor) -> Iterator[Tensor]:
        """Return the indices of the full mini-batches of `order`, each (N,) int64 on the device."""
        full = len(order) // self._batch_size * self._batch_size
        return iter(to_device(order[:full], self._setup.device).view(-1, self._batch_size).unbind())

    def __call__(self, indices: Tensor, lr: float) -> None:
        """Queue a step on the images at `indices`, (N,) int64, without waiting for the device."""
        self._optimizer_step.set_lr(lr)
        self._indices.copy_(indices)
        self._replay()
        self._metrics.note_batch(len(indices))

    def inputs(self, indices: Tensor) -> Tensor:
        """Return the inputs of the network for the images at `indices`, without augmentation."""
        return self._setup.normalize(self._split.at(indices)[0])

    def norms(self) -> Tensor:
        """Return the `layer_gradient_norms` of the last step, before clipping; the next step overwrites them."""
        if self._norms is not None:
            return self._norms
        for parameter, grad in zip(self._parameters, self._grads, strict=True):
            parameter.grad = grad
        norms = layer_gradient_norms(self._setup.layers)
        self._setup.optimizer.zero_grad()
        return norms

    def _warm_up(self) -> None:
        self._step()
        self._metrics.reset_position()

    def _step(self) -> None:
        setup, clip = self._setup, self._setup.config.optimizer.clip_norm
        setup.optimizer.zero_grad()
        images, labels = setup.inputs_and_labels(*self._split.at(self._indices))
        loss, logits = self._backward.forward(images, labels)
        with self._side_stream(lambda: self._metrics.add_on_device(loss.detach(), logits.detach(), labels)):
            self._backward.backward(loss)
            if clip:
                # After clipping, the gradients no longer have these norms.
                self._norms = layer_gradient_norms(setup.layers)
                nn.utils.clip_grad_norm_(self._parameters, clip)
            self._optimizer_step()
