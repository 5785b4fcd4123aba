"""One copy of a data set for several runs, each of which splits and normalizes it with its own seed."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from tuitrain.config.datasets import DATASETS
from tuitrain.config.schema import Data
from tuitrain.training.data import standard
from tuitrain.training.data.dataset import Dataset, Progress
from tuitrain.training.data.normalize import Normalization, Normalizer, fingerprint, pixel_sums
from tuitrain.training.data.splits import MemorySplit, to_device
from tuitrain.training.data.stratify import split_rows


class SharedSplit:
    """A split whose images are the `rows` (N,) int64 of the shared images `whole`, whose pixels are in [0, 1]. It
    normalizes each batch, unless `normalize` is None."""

    def __init__(self, whole: MemorySplit, rows: Tensor, normalize: Normalizer | None, fingerprint: str = "") -> None:
        self.whole, self.rows, self.normalize = whole, rows.to(whole.labels.device), normalize
        self.files: Sequence[str] = ()
        self.fingerprint = fingerprint
        self.labels = whole.labels[self.rows]

    def __len__(self) -> int:
        return len(self.rows)

    def batches(self, order: Tensor, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        for rows in torch.split(to_device(order, self.rows.device), size):
            images = self.whole.images.index_select(0, self.rows[rows])
            if self.normalize is not None:
                images = images.sub_(self.normalize.mean).div_(self.normalize.std)
            yield images, self.labels.index_select(0, rows)


class SharedBatches:
    """Mini-batches of several runs that share their images."""

    def __init__(self, splits: Sequence[SharedSplit]) -> None:
        self._whole = splits[0].whole
        normalizers = [split.normalize for split in splits if split.normalize is not None]
        # Empty without normalization, otherwise two tensors (R, 1, C, 1, 1).
        self._mean_std = [
            torch.stack([getattr(one, name) for one in normalizers]).unsqueeze(1)
            for name in ("mean", "std")
            if normalizers
        ]

    def __call__(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return the images (R, N, C, H, W) and labels (R, N) at the indices `rows` (R, N) of R runs."""
        flat = rows.flatten()
        images = self._whole.images.index_select(0, flat)
        images = images.view(*rows.shape, *images.shape[1:])
        if self._mean_std:
            mean, std = self._mean_std
            images = images.sub_(mean).div_(std)
        return images, self._whole.labels.index_select(0, flat).view(rows.shape)


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
        normalization = images.normalization(kept) if config.normalize else Normalization.none(channels)
        normalize = Normalizer(normalization, device) if config.normalize else None
        if held is not None:
            validation = SharedSplit(images.train, held, normalize, fingerprint(images.checksum, held))
        return Dataset.standard(
            config.dataset,
            normalization,
            train=SharedSplit(images.train, kept, normalize, fingerprint(images.checksum, rows)),
            validation=validation,
            test=SharedSplit(images.test, torch.arange(len(images.test)), normalize, images.test.fingerprint),
        )


class _SharedImages:
    """The images as floats in [0, 1] on the device, and the sums that their normalization is computed from."""

    def __init__(self, config: Data, device: torch.device, progress: Progress) -> None:
        train, test, self._white = standard.read(config.dataset, config.dir, progress)
        progress(f"converting {config.dataset}", None)
        plain = Normalizer(Normalization.none(train.images.shape[1], self._white), device)
        self.checksum = train.checksum()
        self.train = MemorySplit.of(train, plain)
        self.test = MemorySplit.of(test, plain, fingerprint=fingerprint(test.checksum()))
        self._sums, self._pixels = pixel_sums(train.images), train.images[0, 0].numel()

    def normalization(self, rows: Tensor) -> Normalization:
        """Return the normalization of these rows of the training split."""
        return Normalization.from_sums(self._sums[rows], self._pixels, self._white)
