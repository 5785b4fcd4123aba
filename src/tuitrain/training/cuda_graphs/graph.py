"""CUDA graphs: what a GPU is asked for is kept, and asked for again at once.

A GPU computes a step of a small network in less time than Python needs to ask for it, kernel by kernel.
"""

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import optim

from tuitrain.text import plain
from tuitrain.training.cuda_graphs.warmup import STEPS

Work = Callable[[], None]
# Rehearses its first argument and captures its second; gives what replays that.
Record = Callable[[Work, Work], Work]


def record(rehearse: Work, step: Work) -> Work:
    """On a stream of its own, as torch asks for: what is done first allocates and chooses, which no graph can hold.
    Raises what `step` raises where it cannot be captured."""
    here, stream = torch.cuda.current_stream(), torch.cuda.Stream()  # type: ignore[no-untyped-call]
    stream.wait_stream(here)
    torch.cuda.reset_peak_memory_stats()
    held = torch.cuda.memory_allocated()
    try:
        with torch.cuda.stream(stream):
            for _ in range(STEPS):
                rehearse()
    finally:
        # Also before anything is taken back that a step which failed may still write.
        here.wait_stream(stream)
    # What an eager step takes beside weights and images: a graph keeps as much, and both must fit.
    eager = torch.cuda.max_memory_allocated() - held
    graph = torch.cuda.CUDAGraph()
    # What is collected while a graph is captured frees memory in the midst of it.
    gc.collect()
    try:
        # Other threads go on: one that pins memory, or one with another run.
        with torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local"):
            step()
    except Exception:
        # Where torch is older, a failed capture leaves its stream current and the generator waiting for its end.
        torch.cuda.set_stream(here)
        generator = torch.cuda.default_generators[here.device.index]
        generator.graphsafe_set_state(torch.Generator(here.device).graphsafe_get_state())
        raise
    if torch.cuda.mem_get_info()[0] < eager:
        raise RuntimeError("too little memory for a graph beside the steps of smaller batches")
    return graph.replay


def words(error: Exception) -> str:
    """What a failed capture ends with says less than what made it fail."""
    return plain(str(error.__context__ or error).partition("\n")[0], 200)


def not_captured(reason: str) -> str:
    """For the log of a run."""
    return f"steps are not captured as one CUDA graph: {reason}"


def capturable(optimizer: optim.Optimizer) -> bool:
    """Whether a step waits for nothing and takes its learning rate from a tensor."""
    sgd = isinstance(optimizer, optim.SGD)
    return all(group["fused"] if sgd else group.get("capturable", False) for group in optimizer.param_groups)


class Update:
    """An optimizer's step with a learning rate that lies on the device, where a graph finds it."""

    def __init__(self, optimizer: optim.Optimizer) -> None:
        self._optimizer = optimizer
        self._rate, self._lr = 0.0, torch.zeros((), device=optimizer.param_groups[0]["params"][0].device)

    def set_rate(self, rate: float) -> None:
        """Of the steps that come; waits for nothing."""
        if rate != self._rate:
            self._lr.fill_(rate)
            self._rate = rate

    def __call__(self) -> None:
        """The learning rate is a number again after it: for checkpoints and eager steps."""
        groups = self._optimizer.param_groups
        rates = [group["lr"] for group in groups]
        try:
            for group in groups:
                group["lr"] = self._lr
            self._optimizer.step()
        finally:
            for group, rate in zip(groups, rates, strict=True):
                group["lr"] = rate


class Beside:
    """A second queue of the device."""

    def __init__(self, device: torch.device) -> None:
        self._stream = torch.cuda.Stream() if device.type == "cuda" else None  # type: ignore[no-untyped-call]

    @contextmanager
    def __call__(self, work: Work) -> Iterator[None]:
        """The device does `work` beside what it is asked for meanwhile, and goes on when both are done."""
        if self._stream is None:
            work()
            yield
            return
        here = torch.cuda.current_stream()
        self._stream.wait_stream(here)
        try:
            with torch.cuda.stream(self._stream):
                work()
            yield
        finally:
            here.wait_stream(self._stream)
