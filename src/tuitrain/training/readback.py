"""Read values from the device without blocking the training loop."""

import time
from collections import deque
from typing import Any, NamedTuple

import torch
from torch import Tensor

# The host may run this many seconds ahead of the device; it checks every few steps, because an event costs time, too.
_MAX_AHEAD = 0.05
_CHECK_EVERY = 4


class Readback:
    """Copy tensors to the host asynchronously; `read` waits for the values. The tensors may be overwritten at once."""

    def __init__(self, *tensors: Tensor) -> None:
        on_cuda = tensors[0].is_cuda
        # Non-blocking copies go to pinned memory; to pageable memory they would wait for all queued work.
        self._copies = [tensor.to("cpu", non_blocking=on_cuda, copy=True) for tensor in tensors]
        self._event = record_event() if on_cuda else None

    @property
    def ready(self) -> bool:
        """Whether `read` returns without waiting."""
        return self._event is None or self._event.query()  # type: ignore[no-untyped-call]

    def read(self) -> list[Any]:
        """Wait for the copies and return `tensor.tolist()` of each."""
        if self._event is not None:
            self._event.synchronize()
        return [copy.tolist() for copy in self._copies]


class PendingRow(NamedTuple):
    """A metrics row whose values are on their way from the device."""

    step: int
    lr: float
    batch_sizes: list[int]
    readback: Readback


def record_event() -> torch.cuda.Event:
    """Record a CUDA event behind the work queued so far; a thread that waits for it sleeps instead of spinning."""
    event = torch.cuda.Event(blocking=True)  # type: ignore[no-untyped-call]
    event.record()
    return event


class QueueLimiter:
    """Keeps the host at most `_MAX_AHEAD` seconds ahead of the device, so that clock and commands stay current.
    Replaying a CUDA graph takes the host microseconds: a thousand steps in the queue may be minutes of computation."""

    def __init__(self) -> None:
        self._steps = 0
        self._events: deque[tuple[float, torch.cuda.Event]] = deque()

    def step(self) -> None:
        """Call after enqueuing a step; waits if the device has fallen too far behind."""
        self._steps += 1
        if self._steps % _CHECK_EVERY:
            return
        now = time.monotonic()
        self._events.append((now, record_event()))
        while self._events and self._events[0][1].query():  # type: ignore[no-untyped-call]
            self._events.popleft()
        while self._events and now - self._events[0][0] > _MAX_AHEAD:
            self._events.popleft()[1].synchronize()


def queue_limiter(device: torch.device) -> QueueLimiter | None:
    """Return a limiter for a CUDA device; None for others, which block the host anyway."""
    return QueueLimiter() if device.type == "cuda" else None
