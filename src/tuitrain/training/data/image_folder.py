"""Load an image folder as a data set, in memory or streamed from disk."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import psutil
import torch
from torch import Tensor

from tuitrain.config.datasets import data_folder
from tuitrain.config.schema import Data
from tuitrain.errors import DataError
from tuitrain.image_folder.contents import conflicts, digests, fingerprint, leaks
from tuitrain.image_folder.splits import Files, FolderSplits
from tuitrain.runs.records import RunInfo
from tuitrain.text import plain
from tuitrain.training.data import decode
from tuitrain.training.data.dataset import Dataset, Progress, Ticker
from tuitrain.training.data.decode import ImageError, ImageReader
from tuitrain.training.data.normalize import Normalization, Normalizer, Pixels, allocate
from tuitrain.training.data.splits import MemorySplit, Split, StreamedSplit, default_workers

_CPU = torch.device("cpu")
_THREADS = 8
# Images of the sample that mean and standard deviation are computed from.
_MEASURED = 2000
# Names listed in a note or an error.
_NAMED = 5


def load(config: Data, seed: int, device: torch.device, progress: Progress, before: RunInfo | None = None) -> Dataset:
    """Load the image folder `data.dir`. `before` is as in `load.load`. Raises DataError."""
    progress("looking for images", None)
    folder = FolderSplits.scan(config, seed, lambda paths: _identify(paths, progress))
    if before:
        folder = folder.with_classes(before.classes)
    mode = _mode(config.channels, folder.paths) if before is None else ("L" if before.shape[0] == 1 else "RGB")
    read = ImageReader(config.image_size, mode)
    total = len(folder.paths)
    ticker = Ticker(progress, total, lambda done: f"reading: {done:,} of {total:,} images")
    loader = _Loader(folder, read, device, ticker)
    known = Normalization.recorded(before) if before else None
    if not config.normalize:
        known = Normalization.none(read.shape[0])
    if config.storage == "stream" or (config.storage == "auto" and not _fits(total, read, device)):
        workers = default_workers(device) if config.workers is None else config.workers
        splits, normalization = loader.streamed(known, workers)
    else:
        splits, normalization = loader.in_memory(known)
    return Dataset(
        name=config.dataset,
        shape=read.shape,
        classes=tuple(plain(name) for name in folder.classes),
        train=splits["training"],
        validation=splits.get("validation"),
        test=splits["test"],
        mean=normalization.mean,
        std=normalization.std,
        folder=str(data_folder(config.dir)),
        sources={"train" if split == "training" else split: source for split, source in folder.sources.items()},
        notes=(
            *folder.notes,
            *_mode_note(config.channels, read.mode),
            *_unreadable_note(loader.unreadable),
            *_absence_notes(folder.classes, splits),
            *conflicts(splits["training"].files, splits["training"].labels.tolist(), folder.digests, folder.root),
            *leaks({name: split.files for name, split in splits.items()}, folder.digests, folder.root),
        ),
    )


class _Loader:
    """Reads the splits of a folder. `unreadable` lists the images that cannot be read, with reasons."""

    def __init__(self, folder: FolderSplits, read: ImageReader, device: torch.device, ticker: Ticker) -> None:
        self.unreadable: list[str] = []
        self._folder, self._read, self._device, self._ticker = folder, read, device, ticker

    def in_memory(self, known: Normalization | None) -> tuple[dict[str, Split], Normalization]:
        """Return the splits, and `known` or the normalization of the training images."""
        decoded = {name: self._decoded(name, files) for name, files in self._folder.splits.items()}
        training = decoded["training"][0].images
        # As for streamed images: a resumed run may switch between both with the free memory.
        normalization = known or Normalization.of(training[_sample(len(training), _MEASURED)])
        # Remove the splits one by one, so that the bytes of each are freed once converted.
        splits: dict[str, Split] = {}
        for name in list(decoded):
            pixels, files = decoded.pop(name)
            normalizer = Normalizer(normalization, self._device)
            splits[name] = MemorySplit.of(pixels, normalizer, files.paths, self._fingerprint(files))
        return splits, normalization

    def streamed(self, known: Normalization | None, workers: int) -> tuple[dict[str, Split], Normalization]:
        """Return the same as `in_memory`."""
        splits = {name: self._checked(name, files) for name, files in self._folder.splits.items()}
        normalization = known or Normalization.of(self._sampled(splits["training"]))
        normalizer = Normalizer(normalization, self._device)
        return {
            name: StreamedSplit(
                files.paths,
                torch.tensor(files.labels),
                self._read,
                normalizer,
                # The test split is evaluated too rarely to keep its workers alive.
                workers=workers,
                persistent=name != "test",
                # Another image would change what is measured.
                substitute=name == "training",
                fingerprint=self._fingerprint(files),
            )
            for name, files in splits.items()
        }, normalization

    def _decoded(self, name: str, files: Files) -> tuple[Pixels, Files]:
        """Return the readable images and their files."""
        images, reasons = self._decode(files)
        pixels, rows = Pixels(images, torch.tensor(files.labels)), self._readable(name, files, reasons)
        if len(rows) == len(files.paths):
            return pixels, files
        return pixels.at(torch.tensor(rows)), files.at(rows)

    def _checked(self, name: str, files: Files) -> Files:
        """Return the readable files. A check without decoding misses truncated images, which only training replaces."""
        check: Callable[[str], object] = decode.check if name == "training" else self._read
        reasons = _attempts(lambda row: check(files.paths[row]), len(files.paths))
        return files.at(self._readable(name, files, reasons))

    def _sampled(self, files: Files) -> Tensor:
        """Return the readable images of a fixed sample, (n, C, H, W) uint8."""
        images, reasons = self._decode(files.at(_sample(len(files.paths), _MEASURED).tolist()))
        good = [row for row, reason in enumerate(reasons) if reason is None]
        if not good:
            raise DataError(
                f"None of the {len(images):,} sampled training images could be read.", "Check the files in data.dir."
            )
        return images[good]

    def _decode(self, files: Files) -> tuple[Tensor, Iterator[str | None]]:
        """Return images (N, C, H, W) uint8, which are filled by iterating over the reasons why some are not."""
        images = allocate((len(files.paths), *self._read.shape), torch.uint8, _CPU)

        def fill(row: int) -> None:
            images[row] = self._read(files.paths[row])

        return images, _attempts(fill, len(files.paths))

    def _readable(self, name: str, files: Files, reasons: Iterator[str | None]) -> list[int]:
        """Return the rows of `files` without a reason against them; add the others to `unreadable`."""
        rows = []
        for row, reason in enumerate(reasons):
            self._ticker.update()
            if reason is None:
                rows.append(row)
            else:
                path = Path(files.paths[row]).relative_to(self._folder.root)
                self.unreadable.append(f"{plain(path, 100)} ({reason})")
        self._require(name, files, rows)
        return rows

    def _fingerprint(self, files: Files) -> str:
        names = (self._folder.classes[label] for label in files.labels)
        return fingerprint(zip(names, map(self._folder.digests.__getitem__, files.paths), strict=True))

    def _require(self, name: str, files: Files, rows: Sequence[int]) -> None:
        """Raise DataError unless the split, or in training each of its classes, has a readable image."""
        absent = sorted(set(files.labels) - {files.labels[row] for row in rows})
        examples = "; ".join(self.unreadable[:_NAMED])
        if not rows:
            raise DataError(f"No image of the {name} split could be read: {examples}.", "Replace these files.")
        if name == "training" and absent:
            hint = f"These could not be read: {examples}."
            raise DataError(f"The class {plain(self._folder.classes[absent[0]])} has no readable training image.", hint)


def _identify(paths: Sequence[str], progress: Progress) -> Mapping[str, bytes]:
    ticker = Ticker(progress, len(paths), lambda done: f"identifying: {done:,} of {len(paths):,} images")
    return digests(paths, ticker.update)


def absent_classes(classes: Sequence[str], labels: Sequence[int]) -> list[str]:
    """Return the classes that no image with one of the `labels` belongs to."""
    present = set(labels)
    return [name for index, name in enumerate(classes) if index not in present]


def _mode(channels: str, paths: list[str]) -> str:
    """Return RGB if any image has colors, otherwise L."""
    if channels != "auto":
        return "L" if channels == "grey" else "RGB"
    return "RGB" if any(decode.is_grayscale(path) is False for path in paths) else "L"


def _mode_note(channels: str, mode: str) -> Iterator[str]:
    if channels == "auto" and mode == "L":
        yield "all images are grayscale, so that they are read with one channel"


def _fits(count: int, read: ImageReader, device: torch.device) -> bool:
    """Return whether the images fit into half of the free memory as float32."""
    if device.type == "cuda":
        cached = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        free = torch.cuda.mem_get_info(device)[0] + cached
    else:
        free = psutil.virtual_memory().available
    return count * math.prod(read.shape) * 4 < free / 2


def _sample(count: int, size: int) -> Tensor:
    """Return up to `size` of `count` rows, always the same ones."""
    return torch.randperm(count, generator=torch.Generator().manual_seed(0))[:size]


def _attempts(read: Callable[[int], object], count: int) -> Iterator[str | None]:
    """Yield for each of `count` rows why `read` failed, or None. Uses threads, as Pillow decodes without the GIL."""

    def attempt(row: int) -> str | None:
        try:
            read(row)
        except ImageError as error:
            return str(error)
        return None

    rows = iter(range(count))
    with ThreadPoolExecutor(_THREADS) as pool:
        # Submit in portions, so that errors and stops need not wait for a million images.
        while portion := list(islice(rows, 256)):
            yield from pool.map(attempt, portion)


def _unreadable_note(unreadable: list[str]) -> Iterator[str]:
    if unreadable:
        images = "1 image" if len(unreadable) == 1 else f"{len(unreadable):,} images"
        yield f"{images} could not be read: {_listed(unreadable)}"


def _absence_notes(classes: tuple[str, ...], splits: dict[str, Split]) -> Iterator[str]:
    for name, split in splits.items():
        absent = [plain(label, 40) for label in absent_classes(classes, split.labels.tolist())]
        if absent:
            yield f"classes without {name} images: {_listed(absent)}"


def _listed(names: list[str]) -> str:
    rest = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {rest:,} more" if rest > 0 else "")
