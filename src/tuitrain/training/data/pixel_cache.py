"""Decode the images of a folder once into a cache file, and map them into memory from there."""

import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path

import numpy as np
import PIL
import torch
from msgspec.structs import replace
from torch import Tensor

from tuitrain.image_folder import pixel_files
from tuitrain.image_folder.pixel_files import HEADER, Header
from tuitrain.training.data.dataset import Progress, Ticker
from tuitrain.training.data.decoding.attempts import attempts
from tuitrain.training.data.decoding.decode import ImageReader
from tuitrain.training.data.splits import Crop, to_device

# Images whose checksums a thread compares at a time.
_PORTION = 64
# Seconds between checks whether another process has written the file.
_WAIT = 0.2


class UncachedError(Exception):
    """The reason why images cannot be cached, for the end of a sentence."""


class PixelCache:
    """The cache file of the images at `paths` in the folder `root`, as `read` decodes them. Its name identifies
    the paths, sizes and times of the images, and everything else that determines the pixels."""

    def __init__(self, root: Path, paths: Sequence[str], read: ImageReader, progress: Progress) -> None:
        self._root, self._paths, self._read, self._progress = root, list(paths), read, progress
        # Both decode and resize images.
        libraries = f"Pillow {PIL.__version__} torch {torch.__version__.partition('+')[0]}"
        self._ranges = read.ranges.of_files(self._paths)
        settings = f"{read.settings} {libraries} {self._ranges}".encode()
        self._key = pixel_files.key_of(chain([settings], pixel_files.stamps(self._paths)))
        self.path = pixel_files.path_of(self._key, root)

    @property
    def size(self) -> int:
        return self._header.file_bytes

    def open(self, needed: Sequence[str] | None = None) -> "CachedImages | None":
        """Return the images of an existing file, None if there is none. Compare the checksums of all images, or of
        the `needed` paths, and remove a damaged file."""
        header = pixel_files.read_header(self.path)
        if header is None or header.key != self._key or header.count != len(self._paths):
            return None
        try:
            images = CachedImages(self.path, header)
        except OSError:
            return None
        chosen = None if needed is None else set(needed)
        rows = [row for row, path in enumerate(self._paths) if chosen is None or path in chosen]
        if not images.whole(rows, self._progress):
            self._progress("the cached images are damaged", None)
            pixel_files.remove(self.path)
            return None
        pixel_files.mark_used(self.path)
        self._read.ranges.add_counts(header.deep)
        return images

    def build(self, limit: float) -> "CachedImages":
        """Return the images of the existing file, or write it, unless another process does so. Remove the least
        recently used files, so that all take at most `limit` bytes. Raises UncachedError."""
        if self.size > limit:
            raise UncachedError(f"they take {self.size / 1e9:,.1f} GB, and data.cache_gb = {limit / 1e9:g}")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with pixel_files.locked(self.path, self._wait):
                if images := self.open():
                    return images
                if removed := pixel_files.write(self.path, self.size, int(limit), self._write):
                    self._progress(f"removed from the cache: {', '.join(removed)}", None)
            # The file was just written: without a check of its images, its pages stay in memory.
            header = pixel_files.read_header(self.path)
            if header is None:
                raise UncachedError("the file could not be read back")
            return CachedImages(self.path, header)
        except OSError as error:
            raise UncachedError(f"writing {self.path.parent} failed: {error.strerror}") from error

    def _wait(self) -> bool:
        self._progress("waiting for another process that reads these images", None)
        time.sleep(_WAIT)
        return True

    @property
    def _header(self) -> Header:
        return Header(self._key, str(self._root), len(self._paths), self._read.shape)

    def _write(self, draft: Path) -> None:
        """Write the complete file. Raises OSError and UncachedError."""
        total, header = len(self._paths), self._header
        checksums = np.zeros(total, "<u4")
        ticker = Ticker(self._progress, total, lambda done: f"reading: {done:,} of {total:,} images", "images")
        with draft.open("xb") as file:

            def fill(row: int) -> None:
                content = self._read(self._paths[row]).numpy().tobytes()
                checksums[row] = pixel_files.checksum(content)
                _write_at(file.fileno(), content, header.pixels_at + row * header.image_bytes)

            unreadable = {}
            for row, reason in enumerate(attempts(fill, total)):
                ticker.update()
                if reason is not None:
                    unreadable[row] = reason
            deep = self._read.ranges.counts(self._paths)
            if unknown := deep.keys() - self._ranges.keys():
                raise UncachedError(f"files with the suffix of JPEGs have {min(unknown)} values")
            file.truncate(header.file_bytes)
            _write_at(file.fileno(), checksums.tobytes(), HEADER)
            try:
                _write_at(file.fileno(), replace(header, unreadable=unreadable, deep=deep).encode(), 0)
            except ValueError as error:
                raise UncachedError(str(error)) from None


def _write_at(descriptor: int, content: bytes, position: int) -> None:
    """Write all bytes, in several calls if necessary: a full disk accepts some of them before it raises OSError."""
    while content:
        written = os.pwrite(descriptor, content, position)
        content, position = content[written:], position + written


class CachedImages:
    """The images of a cache file, `pixels` (N, C, H, W) uint8, mapped into memory: the system reads them when needed
    and keeps them while memory is free."""

    def __init__(self, path: Path, header: Header) -> None:
        self.unreadable = header.unreadable
        # Copy-on-write, because torch warns about arrays that cannot be written.
        self.pixels = torch.from_numpy(
            np.memmap(path, np.uint8, "c", header.pixels_at, (header.count, *header.row_shape))
        )
        self._checksums = np.fromfile(path, "<u4", header.count, offset=HEADER)

    def whole(self, rows: Sequence[int], progress: Progress) -> bool:
        """Return whether the images at `rows` have their checksums."""
        readable = [row for row in rows if row not in self.unreadable]
        total = len(readable)
        ticker = Ticker(progress, total, lambda done: f"checking the cache: {done:,} of {total:,} images")
        portions = [readable[start : start + _PORTION] for start in range(0, total, _PORTION)]

        def check(portion: Sequence[int]) -> int:
            ok = all(
                pixel_files.checksum(self.pixels[row].numpy().tobytes()) == self._checksums[row] for row in portion
            )
            return len(portion) if ok else 0

        with ThreadPoolExecutor() as pool:
            for count in pool.map(check, portions):
                if not count:
                    pool.shutdown(cancel_futures=True)
                    return False
                ticker.update(count)
        return True


class CachedSplit:
    """A split whose images are the `rows` (N,) int64 of a cache file. A thread prepares the next batch. `crop` applies
    to each batch."""

    crop: Crop | None = None

    def __init__(
        self,
        cached: CachedImages,
        rows: Tensor,
        labels: Tensor,
        device: torch.device,
        files: Sequence[str] = (),
        fingerprint: str = "",
    ) -> None:
        self.labels, self.files, self.fingerprint = labels.to(device), files, fingerprint
        self._cached, self._rows, self._device = cached, rows, device

    def __len__(self) -> int:
        return len(self.labels)

    def batches(self, order: Tensor, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        order = order.cpu()
        with ThreadPoolExecutor(1) as pool:
            chunks = iter(torch.split(order, size))
            rows = next(chunks)
            images = pool.submit(self.gathered, rows)
            for following in chain(chunks, [None]):
                pixels = images.result()
                given = to_device(rows, self._device)
                if following is not None:
                    images, rows = pool.submit(self.gathered, following), following
                pixels = pixels.to(self._device, non_blocking=True)
                yield self.crop(pixels, given) if self.crop else pixels, self.labels.index_select(0, given)

    def gathered(self, rows: Tensor) -> Tensor:
        """Return the images at `rows` on the CPU, in pinned memory for a GPU."""
        images = self._cached.pixels.index_select(0, self._rows[rows])
        return images.pin_memory() if self._device.type == "cuda" else images
