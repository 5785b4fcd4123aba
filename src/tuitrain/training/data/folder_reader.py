"""Read the splits of an image folder, in memory, from a cache file or streamed from disk."""

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor

from tuitrain.errors import DataError
from tuitrain.image_folder.contents import fingerprint
from tuitrain.image_folder.splits import Files, FolderSplits
from tuitrain.text import plain
from tuitrain.training.data.dataset import Ticker
from tuitrain.training.data.decoding.attempts import attempts
from tuitrain.training.data.decoding.decode import ImageReader
from tuitrain.training.data.normalize import Normalization, Pixels, allocate, mean_and_deviation, pixel_sums
from tuitrain.training.data.pixel_cache import CachedImages, CachedSplit
from tuitrain.training.data.splits import MemorySplit, Split, StreamedSplit

_CPU = torch.device("cpu")
# Images of the sample that mean and standard deviation are computed from.
_MEASURED = 2000
# Images of the sample that are copied at a time: a copy of all takes three times as long.
_AT_ONCE = 64
# Without normalization, this smaller sample usually shows that the images differ.
_GLANCED = 64
# Grey levels of standard deviation below which all pixels count as equal.
_UNIFORM = 0.01
# Names listed in an error.
_NAMED = 5


class FolderReader:
    """Reads the `needed` splits of a folder. The others are streamed, and none of their files is opened before a batch
    needs it.

    After reading, `normalization` is the `known` one, if any, or that of the training images. `unreadable` lists the
    images that cannot be read, with reasons, and `notes` are sentences about the images. A run that was `trained`
    before has shown that its images differ. `read_training` reads the training images; None: `read`.
    """

    normalization: Normalization

    def __init__(
        self,
        folder: FolderSplits,
        read: ImageReader,
        device: torch.device,
        ticker: Ticker,
        known: Normalization | None,
        trained: bool,
        needed: Collection[str],
        read_training: ImageReader | None = None,
    ) -> None:
        self.unreadable: list[str] = []
        self.notes: list[str] = []
        self.read, self._read_training = read, read_training or read
        self._folder, self._device, self._ticker = folder, device, ticker
        self._known, self._trained = known, trained
        self._needed = {name: files for name, files in folder.splits.items() if name in needed}
        self._others = {name: files for name, files in folder.splits.items() if name not in needed}

    @property
    def is_complete(self) -> bool:
        """Whether all splits are read."""
        return not self._others

    @property
    def reads_training(self) -> bool:
        return "training" in self._needed

    @property
    def size(self) -> int:
        """The number of bytes of all images to read."""
        return sum(len(files.paths) * math.prod(self._reader(name).shape) for name, files in self._needed.items())

    def forget(self) -> None:
        """Discard the results of an earlier attempt to read the images."""
        self.unreadable.clear()
        self.notes.clear()
        self.read.ranges.forget_counts()

    def in_memory(self) -> dict[str, Split]:
        decoded = {name: self._decoded(name, files) for name, files in self._needed.items()}

        def sample(size: int) -> Iterator[Tensor]:
            # The same sample as for streamed images: a resumed run may switch between them, depending on the memory.
            training = decoded["training"][0].images
            return (training.index_select(0, rows) for rows in torch.split(_sample(len(training), size), _AT_ONCE))

        self.normalization = self._normalization(sample)
        # Remove the splits one by one, so that the memory of each is freed once it is on a GPU.
        splits: dict[str, Split] = {}
        for name in list(decoded):
            pixels, files = decoded.pop(name)
            splits[name] = MemorySplit.of(pixels, self._device, files.paths, self._fingerprint(files))
        return splits | self._unread()

    def cached(self, open_images: Callable[[ImageReader, list[str], list[str]], CachedImages]) -> dict[str, Split]:
        """Return the splits. `open_images` returns the images of the paths in its second argument as the reader decodes
        them; those of its third argument are needed. Splits with the same reader share them."""
        splits: dict[str, CachedSplit] = {}
        for reader in dict.fromkeys(map(self._reader, self._needed)):
            names = [name for name in self._folder.splits if self._reader(name) == reader]
            paths = sorted(path for name in names for path in self._folder.splits[name].paths)
            needed = {name: self._needed[name] for name in names if name in self._needed}
            images = open_images(reader, paths, [path for files in needed.values() for path in files.paths])
            row_of = {path: row for row, path in enumerate(paths)}
            for name, files in needed.items():
                reasons = (images.unreadable.get(row_of[path]) for path in files.paths)
                kept = files.at(self._readable(name, files, reasons))
                rows, labels = torch.tensor([row_of[path] for path in kept.paths]), torch.tensor(kept.labels)
                splits[name] = CachedSplit(images, rows, labels, self._device, kept.paths, self._fingerprint(kept))

        def sample(size: int) -> Iterator[Tensor]:
            training = splits["training"]
            return (training.gathered(rows) for rows in torch.split(_sample(len(training), size), _AT_ONCE))

        self.normalization = self._normalization(sample)
        return splits | self._unread()

    def streamed(self, workers: int) -> dict[str, Split]:
        splits = {name: self._checked(name, files) for name, files in self._needed.items()}
        self.normalization = self._normalization(lambda size: [self._sampled(splits["training"], size)])
        return {name: self._streamed(name, files, workers) for name, files in splits.items()} | self._unread()

    def _unread(self) -> dict[str, Split]:
        return {name: self._streamed(name, files, 0) for name, files in self._others.items()}

    def _streamed(self, name: str, files: Files, workers: int) -> StreamedSplit:
        return StreamedSplit(
            files.paths,
            torch.tensor(files.labels),
            self._reader(name),
            self._device,
            # The test split is evaluated too rarely to keep its workers alive.
            workers=workers,
            persistent=name != "test",
            # Replacing an image would change the evaluation.
            substitute=name == "training",
            fingerprint=self._fingerprint(files),
        )

    def _decoded(self, name: str, files: Files) -> tuple[Pixels, Files]:
        """Return the readable images and their files."""
        images, reasons = _decode(files, self._reader(name))
        pixels, rows = Pixels(images, torch.tensor(files.labels)), self._readable(name, files, reasons)
        if len(rows) == len(files.paths):
            return pixels, files
        return pixels.at(torch.tensor(rows)), files.at(rows)

    def _checked(self, name: str, files: Files) -> Files:
        """Return the readable files. For training, a check without decoding suffices, because training replaces the
        unreadable images that it misses."""
        check: Callable[[str], object] = self._reader(name).check if name == "training" else self.read
        reasons = attempts(lambda row: check(files.paths[row]), len(files.paths))
        return files.at(self._readable(name, files, reasons))

    def _sampled(self, files: Files, size: int) -> Tensor:
        """Return the readable images of a fixed sample of `size` images, (n, C, H, W) uint8."""
        images, reasons = _decode(files.at(_sample(len(files.paths), size).tolist()), self._read_training)
        good = [row for row, reason in enumerate(reasons) if reason is None]
        if not good:
            raise DataError(
                f"None of the {len(images):,} sampled training images could be read.", "Check the files in data.dir."
            )
        return images[good]

    def _reader(self, name: str) -> ImageReader:
        return self._read_training if name == "training" else self.read

    def _readable(self, name: str, files: Files, reasons: Iterator[str | None]) -> list[int]:
        """Return the rows of `files` whose reason is None; add the others to `unreadable`."""
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

    def _require(self, name: str, files: Files, rows: Sequence[int]) -> None:
        """Raise DataError unless the split, or in training each of its classes, has a readable image."""
        absent = sorted(set(files.labels) - {files.labels[row] for row in rows})
        examples = "; ".join(self.unreadable[:_NAMED])
        if not rows:
            raise DataError(f"No image of the {name} split could be read: {examples}.", "Replace these files.")
        if name == "training" and absent:
            hint = f"These could not be read: {examples}."
            raise DataError(f"The class {plain(self._folder.classes[absent[0]])} has no readable training image.", hint)

    def _fingerprint(self, files: Files) -> str:
        names = (self._folder.classes[label] for label in files.labels)
        return fingerprint(zip(names, map(self._folder.digests.__getitem__, files.paths), strict=True))

    def _normalization(self, sample: Callable[[int], Iterable[Tensor]]) -> Normalization:
        """Return the known normalization, or that of the sample of training images whose batches (n, C, H, W) uint8
        `sample` returns by its size. Raises DataError if they are all alike."""
        if self._known and self._trained:
            return self._known
        for size in (_GLANCED, _MEASURED) if self._known else (_MEASURED,):
            sums, pixels, differ = _measured(sample(size))
            mean, deviations = mean_and_deviation(sums, pixels)
            deviation = deviations.max().item()
            if deviation >= _UNIFORM and differ:
                break
        else:
            raise self._alike(mean.mean().item(), deviation)
        if deviation < 1:
            self.notes.append(f"the images have little contrast: standard deviation {deviation:.2f} of 255 grey levels")
        return self._known or Normalization.from_sums(sums, pixels)

    def _alike(self, mean: float, deviation: float) -> DataError:
        what = f"uniform: their pixels are {mean:.0f} of 255" if deviation < _UNIFORM else "equal"
        notes = "".join(f" ({note})" for note in self.read.ranges.notes())
        example = plain(self._folder.splits["training"].paths[0], 200)
        return DataError(f"All training images are {what}{notes}.", f"Look at one of them: {example}")


def _decode(files: Files, read: ImageReader) -> tuple[Tensor, Iterator[str | None]]:
    """Return images (N, C, H, W) uint8 and why each could not be read, or None. Iterating over the reasons reads the
    images."""
    images = allocate((len(files.paths), *read.shape), torch.uint8, _CPU)

    def fill(row: int) -> None:
        images[row] = read(files.paths[row])

    return images, attempts(fill, len(files.paths))


def _measured(batches: Iterable[Tensor]) -> tuple[Tensor, int, bool]:
    """Return the sums of all images in `batches`, the pixels of each, and whether the images differ."""
    sums, pixels, differ = [], 0, False
    first: Tensor | None = None
    for images in batches:
        first = images[0].clone() if first is None else first
        differ = differ or not all(torch.equal(image, first) for image in images)
        sums.append(pixel_sums(images))
        pixels = first[0].numel()
    return torch.cat(sums), pixels, differ


def _sample(count: int, size: int) -> Tensor:
    """Return up to `size` of `count` rows, the same ones in every call."""
    return torch.randperm(count, generator=torch.Generator().manual_seed(0))[:size]
