"""Loss and accuracy of training between two log rows, kept on the device and read at once."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from tuitrain.training.readback import Late

# So many mini-batches are counted at once: one kernel each costs as much for sixteen as for one.
_TOGETHER = 16


class Window:
    """The mini-batches since the last row. Nothing is read back from the device before it is asked for."""

    def __init__(self, capacity: int, device: torch.device) -> None:
        self._losses = torch.zeros(capacity, device=device)
        self._correct = torch.zeros((), dtype=torch.int64, device=device)
        self._place = torch.zeros(1, dtype=torch.int64, device=device)
        self._sizes: list[int] = []
        self._waiting: list[tuple[Tensor, Tensor, Tensor]] = []

    def __len__(self) -> int:
        return len(self._sizes)

    @property
    def samples(self) -> int:
        """Images in it."""
        return sum(self._sizes)

    def add(self, loss: Tensor, logits: Tensor, labels: Tensor) -> None:
        """`loss` () is the mini-batch's mean, `logits` (N, K), `labels` (N,); without a graph, never changed."""
        self._sizes.append(len(labels))
        self._waiting.append((loss, logits, labels))
        if len(self._waiting) == _TOGETHER:
            self._count()

    def count(self, loss: Tensor, logits: Tensor, labels: Tensor) -> None:
        """As `add`, with nothing that a captured step could not do again; `counted` is to follow each time."""
        self._losses.index_copy_(0, self._place, loss.view(1))
        self._correct += (logits.argmax(1) == labels).sum()
        self._place += 1

    def counted(self, size: int) -> None:
        self._sizes.append(size)

    def rewind(self) -> None:
        """What was counted without `counted` is to be written over."""
        self._place.fill_(len(self._sizes))

    @property
    def tensors(self) -> list[Tensor]:
        """What `count` changes."""
        return [self._losses, self._correct, self._place]

    def _count(self) -> None:
        if not self._waiting:
            return
        losses, logits, labels = zip(*self._waiting, strict=True)
        end = len(self._sizes)
        self._losses[end - len(losses) : end] = torch.stack(losses)
        self._correct += (torch.cat(logits).argmax(1) == torch.cat(labels)).count_nonzero()
        self._waiting.clear()

    def take(self, *more: Tensor) -> "Taken":
        """What is in it, and the values of `more`; empties the window, and waits for nothing."""
        self._count()
        taken = Taken(self._sizes, Late(self._losses[: len(self._sizes)], self._correct, *more))
        self._sizes = []
        self._correct.zero_()
        self._place.zero_()
        return taken

    def losses(self) -> list[float]:
        """Of the mini-batches in it; waits for the device."""
        self._count()
        losses: list[float] = self._losses[: len(self._sizes)].tolist()
        return losses

    def state(self) -> dict[str, Any]:
        self._count()
        return {"losses": self._losses[: len(self._sizes)], "correct": self._correct, "sizes": self._sizes}

    def restore(self, state: dict[str, Any]) -> None:
        self._sizes, self._waiting = list(state["sizes"]), []
        if len(self._sizes) > len(self._losses):
            # The data was larger, and so were its epochs; what comes needs room, too.
            self._losses = self._losses.new_zeros(len(self._sizes) + len(self._losses))
        self._losses[: len(self._sizes)] = state["losses"]
        self._correct.copy_(state["correct"])
        self._place.fill_(len(self._sizes))


class Taken:
    """What was in a window, on its way from the device."""

    def __init__(self, sizes: Sequence[int], values: Late) -> None:
        self._sizes, self._values = sizes, values
        self.samples = sum(sizes)

    @property
    def there(self) -> bool:
        return self._values.there

    def read(self) -> tuple[list[float], float, int, list[Any]]:
        """The losses of the mini-batches, the sum of those of all images, images classified rightly, and what was taken
        beside."""
        losses, correct, *more = self._values.read()
        return losses, sum(loss * size for loss, size in zip(losses, self._sizes, strict=True)), correct, more


class Windows:
    """The windows of runs that go in step, filled at once; those of one run stay its own."""

    def __init__(self, windows: Sequence[Window]) -> None:
        self._windows = windows
        capacity = max(len(window._losses) for window in windows)
        self._losses = windows[0]._losses.new_zeros(len(windows), capacity)
        self._correct = torch.stack([window._correct for window in windows])
        self._place = windows[0]._place.clone()
        for place, window in enumerate(windows):
            self._losses[place, : len(window._losses)] = window._losses
            window._losses, window._correct, window._place = self._losses[place], self._correct[place], self._place
        self.rewind()

    def add(self, losses: Tensor, logits: Tensor, labels: Tensor) -> None:
        """`losses` (R,) are the mini-batches' means, `logits` (R, N, K), `labels` (R, N); without a graph."""
        self._losses[:, len(self._windows[0])] = losses
        self._correct += (logits.argmax(2) == labels).count_nonzero(1)
        self.counted(labels.shape[1])

    def count(self, losses: Tensor, logits: Tensor, labels: Tensor) -> None:
        """As `Window.count`, of all."""
        self._losses.index_copy_(1, self._place, losses.unsqueeze(1))
        self._correct += (logits.argmax(2) == labels).sum(1)
        self._place += 1

    def counted(self, size: int) -> None:
        for window in self._windows:
            window.counted(size)

    def rewind(self) -> None:
        self._windows[0].rewind()

    @property
    def tensors(self) -> list[Tensor]:
        return [self._losses, self._correct, self._place]
