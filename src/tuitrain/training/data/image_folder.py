"""Load an image folder as a data set, in memory or streamed from disk."""

import math
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import psutil
import torch
from torch import Tensor

from tuitrain.config.datasets import data_folder
from tuitrain.config.schema import Data
from tuitrain.errors import DataError
from tuitrain.text import plain
from tuitrain.training.data import decode
from tuitrain.training.data.dataset import Dataset, Progress, Ticker
from tuitrain.training.data.decode import ImageError, ImageReader
from tuitrain.training.data.depth import Range
from tuitrain.training.data.folder_splits import Files, FolderSplits, absent_classes
from tuitrain.training.data.normalize import Normalization, Normalizer, Pixels, allocate, mean_and_deviation, pixel_sums
from tuitrain.training.data.splits import MemorySplit, Split, StreamedSplit, default_workers
from tuitrain.training.data.value_ranges import ValueRanges

_CPU = torch.device("cpu")
_THREADS = 8
# Images of the sample that mean and standard deviation are computed from.
_MEASURED = 2000
# Images that are looked at without normalization: usually enough to see that they differ.
_GLANCED = 64
# Grey levels of standard deviation below which all pixels count as equal.
_UNIFORM = 0.01
# Names listed in a note or an error.
_NAMED = 5


def load(
    config: Data,
    seed: int,
    device: torch.device,
    progress: Progress,
    ranges: Mapping[str, Range] | None = None,
) -> Dataset:
    """Load the image folder `data.dir`. `ranges` are those of an earlier load, to read its images in the same way.
    Raises DataError."""
    progress("looking for images", None)
    folder = FolderSplits.scan(config, seed)
    fixed = Range(*config.value_range) if config.value_range else None
    value_ranges = ValueRanges(ranges, folder.splits["training"].paths, folder.paths, fixed)
    read = ImageReader(config.image_size, _mode(config.channels, folder.paths), value_ranges)
    total = len(folder.paths)
    ticker = Ticker(progress, total, lambda done: f"reading: {done:,} of {total:,} images")
    loader = _Loader(folder, read, device, ticker)
    if config.storage == "stream" or (config.storage == "auto" and not _fits(total, read, device)):
        workers = default_workers(device) if config.workers is None else config.workers
        splits, normalization = loader.streamed(config.normalize, workers)
    else:
        splits, normalization = loader.in_memory(config.normalize)
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
        notes=(
            *folder.notes,
            *_mode_note(config.channels, read.mode),
            *_unreadable_note(loader.unreadable),
            *_absence_notes(folder.classes, splits),
            *value_ranges.notes(),
            *loader.notes,
        ),
        value_ranges=dict(value_ranges.found),
    )


class _Loader:
    """Reads the splits of a folder. `unreadable` lists the images that cannot be read, with reasons, and `notes` are
    sentences about the others."""

    def __init__(self, folder: FolderSplits, read: ImageReader, device: torch.device, ticker: Ticker) -> None:
        self.unreadable: list[str] = []
        self.notes: list[str] = []
        self._folder, self._read, self._device, self._ticker = folder, read, device, ticker

    def in_memory(self, normalize: bool) -> tuple[dict[str, Split], Normalization]:
        decoded = {name: self._decoded(name, files) for name, files in self._folder.splits.items()}
        training = decoded["training"][0].images
        # As for streamed images: a resumed run may switch between both with the free memory.
        normalization = self._normalization(lambda size: training[_sample(len(training), size)], normalize)
        # Remove the splits one by one, so that the bytes of each are freed once converted.
        splits: dict[str, Split] = {}
        for name in list(decoded):
            pixels, files = decoded.pop(name)
            splits[name] = MemorySplit.of(pixels, Normalizer(normalization, self._device), files)
        return splits, normalization

    def streamed(self, normalize: bool, workers: int) -> tuple[dict[str, Split], Normalization]:
        splits = {name: self._checked(name, files) for name, files in self._folder.splits.items()}
        normalization = self._normalization(lambda size: self._sampled(splits["training"], size), normalize)
        normalizer = Normalizer(normalization, self._device)
        return {
            name: StreamedSplit(
                files.paths,
                files.labels,
                self._read,
                normalizer,
                # The test split is evaluated too rarely to keep its workers alive.
                workers=workers,
                persistent=name != "test",
                # Another image would change what is measured.
                substitute=name == "training",
            )
            for name, files in splits.items()
        }, normalization

    def _decoded(self, name: str, files: Files) -> tuple[Pixels, list[str]]:
        """Return the readable images and their paths."""
        images, reasons = self._decode(files)
        pixels, rows = Pixels(images, files.labels), self._readable(name, files, reasons)
        if len(rows) == len(files.paths):
            return pixels, files.paths
        return pixels.at(rows), files.at(rows).paths

    def _checked(self, name: str, files: Files) -> Files:
        """Return the readable files. Only training replaces images that a check without decoding takes for readable."""
        check: Callable[[str], object] = self._read.check if name == "training" else self._read
        reasons = _attempts(lambda row: check(files.paths[row]), len(files.paths))
        return files.at(self._readable(name, files, reasons))

    def _sampled(self, files: Files, size: int) -> Tensor:
        """Return the readable images of a fixed sample of `size` images, (n, C, H, W) uint8."""
        images, reasons = self._decode(files.at(_sample(len(files.paths), size)))
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

    def _readable(self, name: str, files: Files, reasons: Iterator[str | None]) -> Tensor:
        """Return the rows of `files` without a reason against them; add the others to `unreadable`."""
        rows = []
        for row, reason in enumerate(reasons):
            self._ticker.update()
            if reason is None:
                rows.append(row)
            else:
                path = Path(files.paths[row]).relative_to(self._folder.root)
                self.unreadable.append(f"{plain(path, 100)} ({reason})")
        self._require(name, files.labels[rows])
        return torch.tensor(rows)

    def _require(self, name: str, labels: Tensor) -> None:
        absent = absent_classes(self._folder.classes, labels)
        examples = "; ".join(self.unreadable[:_NAMED])
        if not len(labels):
            raise DataError(f"No image of the {name} split could be read: {examples}.", "Replace these files.")
        if name == "training" and absent:
            hint = f"These could not be read: {examples}."
            raise DataError(f"The class {plain(absent[0])} has no readable training image.", hint)

    def _normalization(self, sample: Callable[[int], Tensor], normalize: bool) -> Normalization:
        """Return the normalization of a sample of training images, (n, C, H, W) uint8, which `sample` returns by its
        size. Raises DataError if they are all alike."""
        for size in (_MEASURED,) if normalize else (_GLANCED, _MEASURED):
            images = sample(size)
            sums, pixels = pixel_sums(images), images[0, 0].numel()
            deviation = mean_and_deviation(sums, pixels)[1].max().item()
            if deviation >= _UNIFORM and not (images == images[0]).all():
                break
        else:
            raise self._alike(images, deviation)
        if deviation < 1:
            self.notes.append(f"the images have little contrast: standard deviation {deviation:.2f} of 255 grey levels")
        return Normalization.from_sums(sums, pixels) if normalize else Normalization.none(self._read.shape[0])

    def _alike(self, images: Tensor, deviation: float) -> DataError:
        what = (
            f"uniform: their pixels are {images.float().mean().item():.0f} of 255" if deviation < _UNIFORM else "equal"
        )
        notes = "".join(f" ({note})" for note in self._read.ranges.notes())
        example = plain(self._folder.splits["training"].paths[0], 200)
        return DataError(f"All training images are {what}{notes}.", f"Look at one of them: {example}")


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
        absent = [plain(label, 40) for label in absent_classes(classes, split.labels.cpu())]
        if absent:
            yield f"classes without {name} images: {_listed(absent)}"


def _listed(names: list[str]) -> str:
    rest = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {rest:,} more" if rest > 0 else "")
