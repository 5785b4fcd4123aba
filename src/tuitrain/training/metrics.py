"""Loss and accuracy of the mini-batches since the last metrics row, summed on the device."""

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
import torch
from torch import Tensor

from tuitrain.training.data.transforms.mixing import hard_labels
from tuitrain.training.readback import Readback

# Mini-batches per update of the sums: on small batches the kernels cost as much for one as for sixteen.
_BUFFERED = 16
# Images of a mini-batch.
Size = Annotated[int, msgspec.Meta(ge=1, le=2**31)]


class DeviceMetrics:
    """The sums of one run, or of R runs with R as the first dimension, which stay on the device until a readback."""

    _losses: Tensor
    _correct: Tensor
    # Index into `_losses` for the next captured step, which cannot read it from the host.
    _position: Tensor

    def add_on_device(self, losses: Tensor, logits: Tensor, labels: Tensor) -> None:
        """Add a mini-batch of each run by device operations alone, so that a CUDA graph can replay them."""
        self._losses.index_copy_(-1, self._position, losses.unsqueeze(-1))
        self._correct += (logits.argmax(-1) == hard_labels(labels)).sum(-1)
        self._position += 1

    @property
    def device_tensors(self) -> list[Tensor]:
        """The tensors that `add_on_device` modifies."""
        return [self._losses, self._correct, self._position]


class RunningMetrics(DeviceMetrics):
    """Losses and correct predictions of the mini-batches since the last row; `capacity` is their largest number.

    Reading `loss.item()` at every step would make the host wait. `add` counts an eager step. A step captured in a CUDA
    graph calls `add_on_device`, and `note_batch` follows each replay.
    """

    def __init__(self, capacity: int, device: torch.device) -> None:
        self._losses = torch.zeros(capacity, device=device)
        self._correct = torch.zeros((), dtype=torch.int64, device=device)
        self._position = torch.zeros(1, dtype=torch.int64, device=device)
        self._sizes: list[int] = []
        self._buffer: list[tuple[Tensor, Tensor, Tensor]] = []

    def __len__(self) -> int:
        return len(self._sizes)

    @property
    def samples(self) -> int:
        """The number of images in the mini-batches."""
        return sum(self._sizes)

    def add(self, loss: Tensor, logits: Tensor, labels: Tensor) -> None:
        """Add a mini-batch: its mean `loss` (), `logits` (N, K) and `labels`, (N,) or mixed (N, K), detached and not
        modified later. A prediction is correct if it is the heavier label."""
        self._sizes.append(len(labels))
        self._buffer.append((loss, logits, labels))
        if len(self._buffer) == _BUFFERED:
            self._flush()

    def note_batch(self, size: int) -> None:
        """Record the size of a mini-batch that was added on the device."""
        self._sizes.append(size)

    def reset_position(self) -> None:
        """Overwrite what warm-up steps added on the device: no `note_batch` followed them."""
        self._position.fill_(len(self._sizes))

    def _flush(self) -> None:
        if not self._buffer:
            return
        losses, logits, labels = zip(*self._buffer, strict=True)
        end = len(self._sizes)
        self._losses[end - len(losses) : end] = torch.stack(losses)
        self._correct += (torch.cat(logits).argmax(1) == hard_labels(torch.cat(labels))).count_nonzero()
        self._buffer.clear()

    def start_readback(self, *extra: Tensor) -> tuple[list[int], Readback]:
        """Start over without synchronizing. Return the sizes of the mini-batches, and a readback of the mean loss of
        each, the number of correct predictions in all, and the `extra` tensors."""
        self._flush()
        sizes, readback = self._sizes, Readback(self._losses[: len(self._sizes)], self._correct, *extra)
        self._sizes = []
        self._correct.zero_()
        self._position.zero_()
        return sizes, readback

    def batch_losses(self) -> list[float]:
        """Return the mean loss of each mini-batch since the last row; waits for the device."""
        self._flush()
        losses: list[float] = self._losses[: len(self._sizes)].tolist()
        return losses

    def state_dict(self) -> dict[str, Any]:
        self._flush()
        return {"losses": self._losses[: len(self._sizes)], "correct": self._correct, "sizes": self._sizes}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Raises ValueError, or msgspec.ValidationError, if the state is impossible."""
        sizes = msgspec.convert(state["sizes"], list[Size])
        if state["losses"].shape != (len(sizes),) or state["correct"].shape != ():
            raise ValueError("the window of metrics does not match its sizes")
        self._sizes, self._buffer = sizes, []
        if len(self._sizes) > len(self._losses):
            # The checkpoint comes from a larger data set, whose epochs had more mini-batches.
            self._losses = self._losses.new_zeros(len(self._sizes) + len(self._losses))
        self._losses[: len(self._sizes)] = state["losses"]
        self._correct.copy_(state["correct"])
        self._position.fill_(len(self._sizes))


class StackedMetrics(DeviceMetrics):
    """Updates the metrics of R runs in one call; makes their tensors views of shared ones."""

    def __init__(self, runs: Sequence[RunningMetrics]) -> None:
        self._runs = runs
        capacity = max(len(run._losses) for run in runs)
        self._losses = runs[0]._losses.new_zeros(len(runs), capacity)
        self._correct = torch.stack([run._correct for run in runs])
        self._position = runs[0]._position.clone()
        for index, run in enumerate(runs):
            self._losses[index, : len(run._losses)] = run._losses
            run._losses, run._correct, run._position = self._losses[index], self._correct[index], self._position
        self.reset_position()

    def add(self, losses: Tensor, logits: Tensor, labels: Tensor) -> None:
        """Add mini-batches: their mean `losses` (R,), `logits` (R, N, K) and `labels` (R, N), all detached."""
        self._losses[:, len(self._runs[0])] = losses
        self._correct += (logits.argmax(2) == labels).count_nonzero(1)
        self.note_batch(labels.shape[1])

    def note_batch(self, size: int) -> None:
        for run in self._runs:
            run.note_batch(size)

    def reset_position(self) -> None:
        self._runs[0].reset_position()
