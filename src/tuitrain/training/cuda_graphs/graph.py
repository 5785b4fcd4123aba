"""Capture work as a CUDA graph (https://docs.pytorch.org/docs/stable/notes/cuda.html#cuda-graphs).

A GPU computes a step of a small network faster than Python can launch its kernels one by one. Replaying a graph
launches all of them at once.
"""

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import optim

from tuitrain.training.cuda_graphs.warmup import WARMUP_STEPS
from tuitrain.training.optim.groups import SCALE

Work = Callable[[], None]
# Runs its first argument as warm-up, captures its second and returns the function that replays the graph.
CaptureFunction = Callable[[Work, Work], Work]


def capture_graph(warm_up: Work, step: Work) -> Work:
    """Run `warm_up` a few times, capture `step` as a CUDA graph and return the function that replays it.

    The warm-up runs on a side stream, as `torch.cuda.graph` requires: kernels are chosen and workspaces allocated on
    first use, which a graph cannot contain. Raises the exception of `step` if it cannot be captured, and RuntimeError
    if the graph leaves too little memory for an eager step.
    """
    main_stream, stream = torch.cuda.current_stream(), torch.cuda.Stream()  # type: ignore[no-untyped-call]
    stream.wait_stream(main_stream)
    torch.cuda.reset_peak_memory_stats()
    allocated = torch.cuda.memory_allocated()
    try:
        with torch.cuda.stream(stream):
            for _ in range(WARMUP_STEPS):
                warm_up()
    finally:
        # A failed step may still be writing tensors that the caller restores next.
        main_stream.wait_stream(stream)
    # The memory of an eager step beside weights and images. A graph reserves the same amount, and both must fit.
    eager_memory = torch.cuda.max_memory_allocated() - allocated
    graph = torch.cuda.CUDAGraph()
    # A garbage collection during the capture would free CUDA memory, which a capture does not allow.
    gc.collect()
    try:
        # Other threads keep using CUDA meanwhile, for example to pin memory or to train another run.
        with torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local"):
            step()
    except Exception:
        # In older versions of torch, a failed capture leaves its stream current and its generator in capture mode.
        torch.cuda.set_stream(main_stream)
        generator = torch.cuda.default_generators[main_stream.device.index]
        generator.graphsafe_set_state(torch.Generator(main_stream.device).graphsafe_get_state())
        raise
    if torch.cuda.mem_get_info()[0] < eager_memory:
        raise RuntimeError("too little memory for a graph beside the steps of smaller batches")
    return graph.replay


def is_capturable(optimizer: optim.Optimizer) -> bool:
    """Return whether a step never synchronizes with the device and reads its learning rate from a tensor."""
    sgd = isinstance(optimizer, optim.SGD)
    return all(group["fused"] if sgd else group.get("capturable", False) for group in optimizer.param_groups)


class OptimizerStep:
    """The step of an optimizer whose learning rates are tensors on the device, so that a replayed graph can read
    them."""

    def __init__(self, optimizer: optim.Optimizer) -> None:
        self._optimizer = optimizer
        self._lr = 0.0
        self._scales = [group.get(SCALE, 1.0) for group in optimizer.param_groups]
        device = optimizer.param_groups[0]["params"][0].device
        tensors = {scale: torch.zeros((), device=device) for scale in self._scales}
        self._lr_tensors = [tensors[scale] for scale in self._scales]

    def set_lr(self, lr: float) -> None:
        """Set the learning rate of the following steps, which each group scales, without waiting for the device."""
        if lr != self._lr:
            for scale, tensor in zip(self._scales, self._lr_tensors, strict=True):
                tensor.fill_(lr * scale)
            self._lr = lr

    def __call__(self) -> None:
        """Take a step, and restore the learning rate as a number for checkpoints and eager steps."""
        groups = self._optimizer.param_groups
        rates = [group["lr"] for group in groups]
        try:
            for group, tensor in zip(groups, self._lr_tensors, strict=True):
                group["lr"] = tensor
            self._optimizer.step()
        finally:
            for group, lr in zip(groups, rates, strict=True):
                group["lr"] = lr


class SideStream:
    """A second CUDA stream, or no stream on the CPU."""

    def __init__(self, device: torch.device) -> None:
        self._stream = torch.cuda.Stream() if device.type == "cuda" else None  # type: ignore[no-untyped-call]

    @contextmanager
    def __call__(self, work: Work) -> Iterator[None]:
        """Queue `work` on the side stream in parallel to the body of the `with` statement; join both at its end."""
        if self._stream is None:
            work()
            yield
            return
        main_stream = torch.cuda.current_stream()
        self._stream.wait_stream(main_stream)
        try:
            with torch.cuda.stream(self._stream):
                work()
            yield
        finally:
            main_stream.wait_stream(self._stream)
