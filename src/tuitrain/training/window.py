"""Loss and accuracy of training between two log rows, kept on the device and read at once."""

import math
from typing import Any

import torch
from torch import Tensor


class Window:
    """The mini-batches since the last row. Nothing is read back from the device before `read`."""

    def __init__(self, capacity: int, device: torch.device) -> None:
        self._losses = torch.zeros(capacity, device=device)
        self._correct = torch.zeros((), dtype=torch.int64, device=device)
        self._sizes: list[int] = []

    def __len__(self) -> int:
        return len(self._sizes)

    def add(self, loss: Tensor, logits: Tensor, labels: Tensor) -> None:
        """`loss` () is the mini-batch's mean, `logits` (N, K), `labels` (N,)."""
        self._losses[len(self._sizes)] = loss.detach()
        self._correct += (logits.detach().argmax(1) == labels).sum()
        self._sizes.append(len(labels))

    def first_bad(self) -> tuple[int, float] | None:
        """Place and value of the first loss that is not finite."""
        losses = self._losses[: len(self._sizes)].tolist()
        return next(((place, loss) for place, loss in enumerate(losses) if not math.isfinite(loss)), None)

    def read(self) -> tuple[float, int, int]:
        """Sum of the losses of all images, images classified rightly, images; and empty the window."""
        losses = self._losses[: len(self._sizes)].tolist()
        total = sum(loss * size for loss, size in zip(losses, self._sizes, strict=True))
        result = total, int(self._correct), sum(self._sizes)
        self._sizes.clear()
        self._correct.zero_()
        return result

    def state(self) -> dict[str, Any]:
        return {"losses": self._losses[: len(self._sizes)], "correct": self._correct, "sizes": self._sizes}

    def restore(self, state: dict[str, Any]) -> None:
        self._sizes = list(state["sizes"])
        self._losses[: len(self._sizes)] = state["losses"]
        self._correct.copy_(state["correct"])
