"""The ranks that train a run together, and what they send each other."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed import TCPStore  # type: ignore[attr-defined]

from tuitrain.training.data.splits import Split
from tuitrain.training.distributed.sharding import Share, own_rows, shares

# A paused run or a long evaluation lets the other ranks wait. The launcher notices a lost rank, so no limit is needed.
_TIMEOUT = timedelta(days=365)
# The mark by which rank 0 announces that a command ends the run in these processes.
LEAVING = "leaving"


class LostRankError(BaseException):
    """Another rank, or the connection to it, is gone. A BaseException, because no handler may record it as a failure of
    this rank: the launcher knows which rank ended first, and why."""


class Group:
    """This process as one of `size` ranks. All must call the same methods in the same order. `share` is the part of the
    global batch that this rank computes at present."""

    share = Share(1, 1)

    def __init__(self, rank: int, size: int, store: TCPStore) -> None:
        self.rank, self.size, self._store = rank, size, store
        self.nodes = int(os.environ.get("GROUP_WORLD_SIZE", "1"))
        # The first rank of this node.
        self.first_of_node = rank - int(os.environ.get("LOCAL_RANK", rank))
        # Messages travel between the CPUs, also where NCCL sums the gradients between the GPUs.
        self._control: Any = dist.new_group(backend="gloo", timeout=_TIMEOUT)

    def batches(self, split: Split, order: Tensor, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield this rank's images and labels of each global batch of `size` images, as `Split.batches` does."""
        rows, largest = own_rows(order, size, self.rank, self.size)
        sizes = shares(len(order), size, self.rank, self.size)
        for self.share, batch in zip(sizes, split.batches(rows, largest), strict=True):
            yield batch

    def sum_(self, tensor: Tensor) -> Tensor:
        """Replace a contiguous tensor by its sum over all ranks."""
        with _connected():
            dist.all_reduce(tensor)
        return tensor

    def gather_tensors(self, tensor: Tensor) -> Tensor:
        """Return the tensors of all ranks, which have one shape (…), as (size, …)."""
        gathered = tensor.new_empty((self.size, *tensor.shape))
        with _connected():
            dist.all_gather(list(gathered.unbind()), tensor)
        return gathered

    def copy_from_leader(self, tensors: Sequence[Tensor]) -> None:
        """Replace tensors of equal shapes by those of rank 0."""
        with _connected():
            for tensor in tensors:
                # Some weights are stored in the order of channels last.
                copy = tensor.detach().contiguous()
                dist.broadcast(copy, 0)
                tensor.detach().copy_(copy)

    def tell(self, message: object) -> None:
        """Send a message from rank 0 to the others, which call `hear`."""
        with _connected():
            dist.broadcast_object_list([message], 0, group=self._control)

    def hear(self) -> Any:
        """Wait for the next message of rank 0."""
        box: list[Any] = [None]
        with _connected():
            dist.broadcast_object_list(box, 0, group=self._control)
        return box[0]

    def gather(self, part: object) -> list[Any]:
        """Return the parts of all ranks on rank 0, and an empty list on the others."""
        parts: list[Any] | None = [None] * self.size if self.rank == 0 else None
        with _connected():
            dist.gather_object(part, parts, 0, group=self._control)
        return parts or []

    def mark(self, name: str) -> None:
        """Set a mark that `marked` finds on every rank, without waiting for the others."""
        with _connected():
            self._store.set(f"tuitrain/{name}", "1")

    def marked(self, name: str) -> bool:
        with _connected():
            return bool(self._store.check([f"tuitrain/{name}"]))


@contextmanager
def _connected() -> Iterator[None]:
    """Raise LostRankError for what torch raises if a rank is gone."""
    try:
        yield
    except RuntimeError as error:
        raise LostRankError(str(error)) from error


def join_group(device: torch.device) -> Group:
    """Join the ranks that the launcher has started, as its environment variables say. Call `configure_torch` first."""
    rank, size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    with _connected():
        # The launcher is the server of the store.
        store = TCPStore(os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]), timeout=_TIMEOUT)
        backend = "nccl" if device.type == "cuda" else "gloo"
        dist.init_process_group(backend, timeout=_TIMEOUT, store=store, rank=rank, world_size=size)
        return Group(rank, size, store)


def leave_group() -> None:
    dist.destroy_process_group()
