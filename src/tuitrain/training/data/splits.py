"""A split of a data set, which returns batches in a given order."""

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.context import BaseContext
from typing import Protocol, Self

import torch
from torch import Tensor
from torch.utils.data import DataLoader, default_convert
from torch.utils.data import Dataset as TorchDataset

from tuitrain.errors import TrainingError
from tuitrain.runs.process import available_cores
from tuitrain.text import plain
from tuitrain.training.data.decoding.decode import ImageError, ImageReader
from tuitrain.training.data.normalize import Pixels, allocate

# The next readable image replaces an unreadable one. This many unreadable images in a row mean that the disk is gone.
_SUBSTITUTES = 16
# Takes images (n, C, H, W) and their rows (n,) int64, all on the device; returns crops of the images.
Crop = Callable[[Tensor, Tensor], Tensor]


class Split(Protocol):
    """A split of a data set; `labels` is (N,) int64 on the device. `files` are the paths of its N images, or empty.
    `fingerprint` is equal for splits with the same images in the same order."""

    labels: Tensor
    files: Sequence[str]
    fingerprint: str

    def __len__(self) -> int: ...

    def batches(self, order: Tensor, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield images (n, C, H, W), uint8 or floats in [0, 1], and labels (n,) int64, both on the device. `order`
        contains the row indices, (M,) int64 on the CPU or the device. n is `size`, or less in the last batch."""
        ...


def to_device(order: Tensor, device: torch.device) -> Tensor:
    """Return `order` on the device; copy it to a GPU without waiting for the work queued there."""
    if device.type == "cuda" and not order.is_cuda:
        return order.pin_memory().to(device, non_blocking=True)
    return order.to(device)


class MemorySplit:
    """A split whose images are all on the device: a batch costs two index_selects. `crop` applies to each batch."""

    crop: Crop | None = None

    def __init__(self, images: Tensor, labels: Tensor, files: Sequence[str] = (), fingerprint: str = "") -> None:
        self.images = images
        self.labels = labels
        self.files = files
        self.fingerprint = fingerprint

    @classmethod
    def of(cls, pixels: Pixels, device: torch.device, files: Sequence[str] = (), fingerprint: str = "") -> Self:
        """Copy all images to the device; on the CPU, use them as they are. Raises DataError if the device has too
        little memory."""
        images = pixels.images.contiguous()
        if device.type != "cpu":
            images = allocate(images.shape, images.dtype, device).copy_(images)
        return cls(images, pixels.labels.to(device), files, fingerprint)

    def __len__(self) -> int:
        return len(self.labels)

    def batches(self, order: Tensor, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        for rows in torch.split(to_device(order, self.labels.device), size):
            yield self.at(rows)

    def at(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return images and labels at the indices `rows`, (n,) int64 on the device."""
        images = self.images.index_select(0, rows)
        return self.crop(images, rows) if self.crop else images, self.labels.index_select(0, rows)


class StreamedSplit:
    """A split whose images are read from files when needed, in one iteration at a time. `unreadable` gathers the rows
    whose images could not be read and were replaced by the next image that could. `crop` applies to each batch."""

    crop: Crop | None = None

    def __init__(
        self,
        files: Sequence[str],
        labels: Tensor,
        read: ImageReader,
        device: torch.device,
        workers: int = 0,
        *,
        persistent: bool = True,
        substitute: bool = True,
        fingerprint: str = "",
    ) -> None:
        self.labels = labels.to(device)
        self.files = files
        self.fingerprint = fingerprint
        self.unreadable: set[int] = set()
        self._reported: set[int] = set()
        self._substitute = substitute
        # Set before each iteration, so that the workers of the loader survive between iterations.
        self._batches: list[list[int]] = []
        self._loader: DataLoader[tuple[Tensor, Tensor]] = DataLoader(
            _Images(files, read),
            batch_sampler=self._batches,
            collate_fn=default_convert,
            num_workers=workers,
            pin_memory=device.type == "cuda",
            persistent_workers=persistent and workers > 0,
            multiprocessing_context=_context() if workers else None,
            # A loader draws a seed at each start. The global generator must not change, because its state is part of
            # the run.
            generator=torch.Generator(),
        )

    def __len__(self) -> int:
        return len(self.labels)

    def batches(self, order: Tensor, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Raises TrainingError if no image can be read any more, or if a worker process has died."""
        # Without rows, torch.split returns one empty batch.
        batches = torch.split(order.cpu(), size) if len(order) else ()
        self._batches[:] = [rows.tolist() for rows in batches]
        for rows, (images, given) in zip(batches, self._read(), strict=True):
            self.unreadable.update(changed := rows[rows != given].tolist())
            if changed and not self._substitute:
                raise TrainingError(
                    f"The image {plain(self.files[changed[0]], 200)} can no longer be read, and an evaluation must not"
                    " replace it.",
                    "Restore the file, then resume the run.",
                )
            device = self.labels.device
            given, images = given.to(device, non_blocking=True), images.to(device, non_blocking=True)
            yield self.crop(images, given) if self.crop else images, self.labels.index_select(0, given)

    def newly_replaced(self) -> list[str]:
        """Return the paths of the images that were first replaced since the last call."""
        rows, self._reported = self.unreadable - self._reported, set(self.unreadable)
        return [self.files[row] for row in sorted(rows)]

    def _read(self) -> Iterator[tuple[Tensor, Tensor]]:
        try:
            for images, rows in self._loader:
                if (rows < 0).any():
                    raise TrainingError(
                        f"{_SUBSTITUTES} images in a row could not be read.",
                        "Check that the folder data.dir still exists.",
                    )
                yield images, rows
        except (RuntimeError, OSError) as error:
            reason = plain(str(error).partition("\n")[0], 200)
            raise TrainingError(
                f"The processes that read images failed: {reason}.", "Set data.workers to 0 or a smaller number."
            ) from error


class _Images(TorchDataset[tuple[Tensor, Tensor]]):
    def __init__(self, files: Sequence[str], read: ImageReader) -> None:
        self._files = files
        self._read = read

    def __getitems__(self, rows: list[int]) -> tuple[Tensor, Tensor]:
        """Return images (n, C, H, W) uint8 and their rows; -1 marks an image without a readable replacement."""
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


def _context() -> BaseContext:
    """Return a context that never forks: a lock that another thread holds during a fork stays locked in the child."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    # The fork server imports torch once for all workers.
    context.set_forkserver_preload([__name__])
    return context


def default_workers(device: torch.device) -> int:
    """Return the number of workers: 0 on the CPU, where reading and training would compete for the cores."""
    return min(8, available_cores() - 1) if device.type == "cuda" else 0
