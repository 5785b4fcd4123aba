"""A split of a data set as the loop sees it: batches of an order."""

import multiprocessing
import os
from collections.abc import Iterator, Sequence
from multiprocessing.context import BaseContext
from typing import Any, Protocol, Self

import torch
from torch import Tensor
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from tuitrain.errors import TrainingError
from tuitrain.text import plain
from tuitrain.training.data.decode import ImageError, ImageReader
from tuitrain.training.data.normalize import Normalizer, Pixels, allocate, chunks

# In place of an image that cannot be read the next that can is taken; after so many in a row the disk is gone.
_SUBSTITUTES = 16


class Split(Protocol):
    """`labels` is (N,) int64, on the device."""

    labels: Tensor

    def __len__(self) -> int: ...

    def batches(self, order: Tensor, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Images (n, C, H, W) float32 as they go into the model and labels (n,) int64, both on the device.

        `order` (M,) int64 is the rows to give, on the CPU or the device; n is `size`, less in the last batch.
        """
        ...


def moved(order: Tensor, device: torch.device) -> Tensor:
    """On the device; where that is a GPU, without waiting for what it does just now."""
    if device.type == "cuda" and not order.is_cuda:
        return order.pin_memory().to(device, non_blocking=True)
    return order.to(device)


class MemorySplit:
    """All images on the device: a batch costs two index_selects."""

    def __init__(self, images: Tensor, labels: Tensor) -> None:
        self.images = images
        self.labels = labels

    @classmethod
    def of(cls, pixels: Pixels, normalize: Normalizer) -> Self:
        """Raises DataError where the device has not the memory."""
        images = allocate(pixels.images.shape, torch.float32, normalize.device)
        for rows in chunks(pixels.images):
            images[rows] = normalize(pixels.images[rows])
        return cls(images, pixels.labels.to(normalize.device))

    def __len__(self) -> int:
        return len(self.labels)

    def batches(self, order: Tensor, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        for rows in torch.split(moved(order, self.labels.device), size):
            yield self.at(rows)

    def at(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Those of `rows` (n,) int64, which lie on the device."""
        return self.images.index_select(0, rows), self.labels.index_select(0, rows)


class StreamedSplit:
    """Images read from files as they are needed, one iteration at a time.

    `unreadable` gathers the rows whose images could not be read and were replaced by the next image that could.
    """

    def __init__(
        self,
        files: Sequence[str],
        labels: Tensor,
        read: ImageReader,
        normalize: Normalizer,
        workers: int = 0,
        *,
        persistent: bool = True,
    ) -> None:
        self.labels = labels.to(normalize.device)
        self.unreadable: set[int] = set()
        self._normalize = normalize
        self._turn = _Turn()
        self._loader: DataLoader[tuple[Tensor, Tensor]] = DataLoader(
            _Images(files, read),
            batch_sampler=self._turn,
            collate_fn=_as_it_is,
            num_workers=workers,
            pin_memory=normalize.device.type == "cuda",
            persistent_workers=persistent and workers > 0,
            multiprocessing_context=_context() if workers else None,
            # A loader draws a seed at each start: not from the global generator, whose state is part of a run.
            generator=torch.Generator(),
        )

    def __len__(self) -> int:
        return len(self.labels)

    def batches(self, order: Tensor, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Raises TrainingError where images can no longer be read at all or a reading process has died."""
        asked = torch.split(order.cpu(), size)
        self._turn.batches = [rows.tolist() for rows in asked]
        for rows, (images, given) in zip(asked, self._read(), strict=True):
            self.unreadable.update(rows[rows != given].tolist())
            yield self._normalize(images), self.labels.index_select(0, given.to(self.labels.device, non_blocking=True))

    def _read(self) -> Iterator[tuple[Tensor, Tensor]]:
        try:
            for images, rows in self._loader:
                if (rows < 0).any():
                    raise TrainingError(
                        f"{_SUBSTITUTES} images in a row could not be read.",
                        "Look whether the folder of data.dir is still there.",
                    )
                yield images, rows
        except (RuntimeError, OSError) as error:
            reason = plain(str(error).partition("\n")[0], 200)
            raise TrainingError(
                f"The processes that read images failed: {reason}.", "Set data.workers to 0 or a smaller number."
            ) from error


class _Turn:
    """A batch sampler whose batches are set before each iteration, so that workers live on from one to the next."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []

    def __iter__(self) -> Iterator[list[int]]:
        return iter(self.batches)

    def __len__(self) -> int:
        return len(self.batches)


class _Images(TorchDataset[tuple[Tensor, Tensor]]):
    def __init__(self, files: Sequence[str], read: ImageReader) -> None:
        self._files = files
        self._read = read

    def __getitems__(self, rows: list[int]) -> tuple[Tensor, Tensor]:
        """Images (n, C, H, W) uint8 and the rows they are of, -1 for one with no image near it that can be read."""
        images, given = zip(*map(self._nearest, rows), strict=True)
        return torch.stack(images), torch.tensor(given)

    def _nearest(self, row: int) -> tuple[Tensor, int]:
        for step in range(_SUBSTITUTES):
            candidate = (row + step) % len(self._files)
            try:
                return self._read(self._files[candidate]), candidate
            except ImageError:
                continue
        return torch.zeros(self._read.shape, dtype=torch.uint8), -1


def _as_it_is(batch: Any) -> Any:
    return batch


def _context() -> BaseContext:
    """Never fork: the program has threads, and a forked child waits forever for a lock one of them held."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    # The server imports torch once, for all workers.
    context.set_forkserver_preload([__name__])
    return context


def default_workers(device: torch.device) -> int:
    """Reading competes with training for the cores, unless training is on a GPU."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(8, max(0, cores - 1)) if device.type == "cuda" else 0
