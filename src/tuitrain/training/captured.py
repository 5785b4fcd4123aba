"""A whole training step as one CUDA graph.

A GPU computes a step of a small network in less time than Python needs to ask for it, kernel by kernel. A graph keeps
what was asked for, and is asked for at once.
"""

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn, optim

from tuitrain.training.data import MemorySplit
from tuitrain.training.data.splits import moved
from tuitrain.training.gradients import Autograd
from tuitrain.training.job import Job
from tuitrain.training.optimizers import layer_norms
from tuitrain.training.rehearsal import STEPS, taken_back
from tuitrain.training.window import Window

# Rehearses its first argument and captures its second; gives what replays that.
Record = Callable[[Callable[[], None], Callable[[], None]], Callable[[], None]]


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


def capturable(optimizer: optim.Optimizer) -> bool:
    """Whether a step waits for nothing and takes its learning rate from a tensor."""
    sgd = isinstance(optimizer, optim.SGD)
    return all(group["fused"] if sgd else group.get("capturable", False) for group in optimizer.param_groups)


def record(rehearse: Callable[[], None], step: Callable[[], None]) -> Callable[[], None]:
    """On a stream of its own, as torch asks for: what is done first allocates and chooses, which no graph can hold."""
    here, stream = torch.cuda.current_stream(), torch.cuda.Stream()  # type: ignore[no-untyped-call]
    stream.wait_stream(here)
    with torch.cuda.stream(stream):
        for _ in range(STEPS):
            rehearse()
    here.wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    try:
        # Other threads go on: one that pins memory, or one with another run.
        with torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local"):
            step()
    except RuntimeError:
        # Where torch is older, a failed capture leaves its stream current and the generator waiting for its end.
        torch.cuda.set_stream(here)
        generator = torch.cuda.default_generators[here.device.index]
        generator.graphsafe_set_state(torch.Generator(here.device).graphsafe_get_state())
        raise
    return graph.replay


class Captured:
    """Takes a step from a whole mini-batch of a `job` without `obstacle`, as the eager loop does, and counts it in
    `window`; a smaller one is the eager loop's. Raises RuntimeError where it cannot be recorded."""

    def __init__(self, job: Job, window: Window, record: Record = record) -> None:
        assert isinstance(job.dataset.train, MemorySplit)
        self._job, self._window, self._split, self._gradients = job, window, job.dataset.train, Autograd(job)
        self._size, self._parameters = job.config.data.batch_size, list(job.model.parameters())
        self._rows = torch.arange(self._size, device=job.device)
        self._rate, self._lr = 0.0, torch.zeros((), device=job.device)
        self._side = torch.cuda.Stream() if job.device.type == "cuda" else None  # type: ignore[no-untyped-call]
        self._norms: Tensor | None = None
        self._before = copy.deepcopy(window.state())
        try:
            with taken_back(job):
                self._replay = record(self._rehearse, self._step)
                # The graph writes them where they are.
                self._grads = [parameter.grad for parameter in self._parameters]
        finally:
            window.restore(self._before)

    def batches(self, order: Tensor) -> Iterator[Tensor]:
        """The rows of the whole mini-batches of `order`, each (N,)."""
        whole = len(order) // self._size * self._size
        return iter(moved(order[:whole], self._job.device).view(-1, self._size).unbind())

    def __call__(self, rows: Tensor, rate: float) -> None:
        """Asks for the step, at the learning rate `rate`, and waits for nothing."""
        if rate != self._rate:
            self._lr.fill_(rate)
            self._rate = rate
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
        self._window.restore(self._before)

    def _step(self) -> None:
        job, clip = self._job, self._job.config.optimizer.clip_norm
        job.optimizer.zero_grad()
        images, labels = self._split.at(self._rows)
        for change in job.changes:
            images = change(images)
        loss, logits = self._gradients(images, labels, 1)
        with self._beside(lambda: self._window.count(loss, logits, labels)):
            if clip:
                # After the step they are those of clipped gradients.
                self._norms = layer_norms(job.layers)
                nn.utils.clip_grad_norm_(self._parameters, clip)
            self._update()

    @contextmanager
    def _beside(self, work: Callable[[], None]) -> Iterator[None]:
        """The device does `work` beside what it is asked for meanwhile."""
        if self._side is None:
            work()
            yield
            return
        here = torch.cuda.current_stream()
        self._side.wait_stream(here)
        with torch.cuda.stream(self._side):
            work()
        yield
        here.wait_stream(self._side)

    def _update(self) -> None:
        """The optimizer's step. Its learning rate is a number again after it: for checkpoints and eager steps."""
        groups = self._job.optimizer.param_groups
        rates = [group["lr"] for group in groups]
        try:
            for group in groups:
                group["lr"] = self._lr
            self._job.optimizer.step()
        finally:
            for group, rate in zip(groups, rates, strict=True):
                group["lr"] = rate
