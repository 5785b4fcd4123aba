"""A device that computes on its own: what it has to say comes later, and nobody waits for it without need."""

import time
from collections import deque
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

# Seconds of work that the device may have before it, and so many steps are looked at together.
_AHEAD = 0.05
_STEPS = 4


class Late:
    """The values of tensors as they are now; they may be written over at once, though the values come later."""

    def __init__(self, *tensors: Tensor) -> None:
        self._event: torch.cuda.Event | None = None
        if tensors[0].is_cuda:
            # Into pinned memory, without which such a copy waits for all work before it.
            copies = [tensor.to("cpu", non_blocking=True) for tensor in tensors]
            self._read: Callable[[], list[Any]] = lambda: [copy.tolist() for copy in copies]
            self._event = mark()
        else:
            values = [tensor.tolist() for tensor in tensors]
            self._read = lambda: values

    @property
    def there(self) -> bool:
        return self._event is None or self._event.query()  # type: ignore[no-untyped-call]

    def read(self) -> list[Any]:
        """What `tolist` gives of each; waits where they are not there."""
        if self._event is not None:
            self._event.synchronize()
        return self._read()


def mark() -> torch.cuda.Event:
    """Reached once the device has done what it has been asked so far. Who waits for it sleeps."""
    event = torch.cuda.Event(blocking=True)  # type: ignore[no-untyped-call]
    event.record()
    return event


class Lead:
    """Keeps the host a moment ahead of the device and no more, so that clock and commands are of what is computed now.

    A captured step is asked for in microseconds: a thousand of them may wait in the device's queue, and be minutes.
    """

    def __init__(self, mark: Callable[[], torch.cuda.Event] = mark, now: Callable[[], float] = time.monotonic) -> None:
        self._mark, self._now, self._steps = mark, now, 0
        self._marks: deque[tuple[float, torch.cuda.Event]] = deque()

    def step(self) -> None:
        """A step has been asked for."""
        self._steps += 1
        if self._steps % _STEPS:
            return
        now = self._now()
        self._marks.append((now, self._mark()))
        while self._marks and self._marks[0][1].query():  # type: ignore[no-untyped-call]
            self._marks.popleft()
        while self._marks and now - self._marks[0][0] > _AHEAD:
            self._marks.popleft()[1].synchronize()


def lead_of(device: torch.device) -> Lead | None:
    """None for a device that computes while it is asked."""
    return Lead() if device.type == "cuda" else None
