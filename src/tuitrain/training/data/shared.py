"""One copy of a data set for several runs, each of which splits and normalizes it with its own seed."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from tuitrain.config.data.datasets import DATASETS
from tuitrain.config.data.schema import Data
from tuitrain.training.data import standard
from tuitrain.training.data.dataset import Dataset, Progress
from tuitrain.training.data.normalize import Normalization, Normalizer, fingerprint, pixel_sums
from tuitrain.training.data.splits import MemorySplit, to_device
from tuitrain.training.data.stratify import split_rows


class SharedSplit:
    """A split whose images are the `rows` (N,) int64 of the shared images `whole`."""

    def __init__(self, whole: MemorySplit, rows: Tensor, fingerprint: str = "") -> None:
        self.whole, self.rows = whole, rows.to(whole.labels.device)
        self.files: Sequence[str] = ()
        self.fingerprint = fingerprint
        self.labels = whole.labels[self.rows]

    def __len__(self) -> int:
        return len(self.rows)

    def batches(self, order: Tensor, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        for rows in torch.split(to_device(order, self.rows.device), size):
            yield self.whole.images.index_select(0, self.rows[rows]), self.labels.index_select(0, rows)


class SharedBatches:
    """Normalized mini-batches of several runs that share their images, each with its own normalization."""

    def __init__(self, whole: MemorySplit, normalizers: Sequence[Normalizer]) -> None:
        self._whole, self._normalize = whole, Normalizer.stacked(normalizers)

    def __call__(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return the images (R, N, C, H, W) and labels (R, N) at the indices `rows` (R, N) of R runs."""
        images, labels = self._whole.at(rows.flatten())
        return self._normalize(images.view(*rows.shape, *images.shape[1:])), labels.view(rows.shape)


class SharedLoader:
    """Loads data sets like `load`, but reads the files once for all runs, which must have the same configuration and
    device. Raises DataError."""

    def __init__(self) -> None:
        self._images: _SharedImages | None = None

    def __call__(self, config: Data, seed: int, device: torch.device, progress: Progress) -> Dataset:
        images = self._images = self._images or _SharedImages(config, device, progress)
        rows, held = split_rows(images.train.labels, config, seed)
        kept, validation = torch.arange(len(images.train)) if rows is None else rows, None
        channels = DATASETS[config.dataset].shape[0]
        normalization = images.normalization(kept) if config.normalize else Normalization.none(channels, images.white)
        if held is not None:
            validation = SharedSplit(images.train, held, fingerprint(images.checksum, held))
        return Dataset.standard(
            config,
            normalization,
            train=SharedSplit(images.train, kept, fingerprint(images.checksum, rows)),
            validation=validation,
            test=SharedSplit(images.test, torch.arange(len(images.test)), images.test.fingerprint),
        )


class _SharedImages:
    """The images on the device, and the sums that their normalization is computed from."""

    def __init__(self, config: Data, device: torch.device, progress: Progress) -> None:
        train, test, self.white = standard.read(config.dataset, config.dir, progress)
        self.checksum = train.checksum()
        self.train = MemorySplit.of(train, device)
        self.test = MemorySplit.of(test, device, fingerprint=fingerprint(test.checksum()))
        self._sums, self._pixels = pixel_sums(train.images), train.images[0, 0].numel()

    def normalization(self, rows: Tensor) -> Normalization:
        """Return the normalization of these rows of the training split."""
        return Normalization.from_sums(self._sums[rows], self._pixels, self.white)
