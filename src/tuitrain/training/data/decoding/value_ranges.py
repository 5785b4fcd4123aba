"""Choose once per data set which values of images with more than 8 bits become 0 and 255."""

import threading
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import chain, islice
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageFile

from tuitrain.runs.records import RunInfo
from tuitrain.training.data.decoding.depth import Depth, Range, depth_of, read_values, to_8_bits, usual_range
from tuitrain.training.data.decoding.image_file import open_image

_THREADS = 8
# Files with these suffixes have 8 bits.
_JPEG = (".jpg", ".jpeg")
# The number of images that a range is measured on.
_MEASURED = 2000
# The fraction of the values at either end that counts as outliers.
_OUTLIERS = 0.01
# A note suggests another range if the other values get fewer grey levels.
_FEW_LEVELS = 24
# The ranges of runs that recorded none, because older versions had fixed ranges.
RANGES_OF_OLDER_VERSIONS = {
    name: Range(0, 65535)
    for name in ("16-bit", "16-bit PPM", "signed 8-bit", "signed 16-bit", "32-bit", "signed 32-bit")
} | {"floating-point": Range(0, 1)}


def recorded_ranges(info: RunInfo) -> dict[str, Range]:
    """Return the ranges that a run was trained with."""
    ranges = RANGES_OF_OLDER_VERSIONS if info.value_ranges is None else info.value_ranges
    return {kind: Range(*span) for kind, span in ranges.items()}


class ValueRanges:
    """Scales images with more than 8 bits. All images of a kind (`Depth.name`) have the same range, so that a dark
    image stays darker than a bright one.

    The range is `fixed`, or the one in `found`, or it is measured when the first image of the kind is read: on
    `training`, the paths of the training images, or on `others` if no training image is of this kind. Threads may share
    an object; worker processes receive a copy with the ranges found so far.
    """

    def __init__(
        self,
        found: Mapping[str, Range] | None = None,
        training: Sequence[str] = (),
        others: Sequence[str] = (),
        fixed: Range | None = None,
    ) -> None:
        self.found = {} if fixed else dict(found or {})
        self._fixed = fixed
        self._candidates = (training, others)
        self._files: defaultdict[str, set[str]] = defaultdict(set)
        self._beyond: defaultdict[str, set[str]] = defaultdict(set)
        self._most: dict[str, Range] = {}
        self._counted: list[dict[str, tuple[int, int]]] = []
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[type["ValueRanges"], tuple[dict[str, Range]]]:
        return ValueRanges, (self.found,)

    def to_8_bits(self, image: ImageFile.ImageFile, depth: Depth, path: str) -> Image.Image:
        """Return the image `path`, which has this depth, upright and with 8 bits. Raises ValueError if it has no finite
        value."""
        kind = depth.name
        scaled, beyond = to_8_bits(image, depth, self._of(kind))
        self._files[kind].add(path)
        if beyond:
            self._beyond[kind].add(path)
        return scaled

    def of_files(self, paths: Sequence[str]) -> dict[str, Range]:
        """Return the ranges of all kinds of images at `paths`, except of kinds without a finite value."""
        ranges = {}
        for kind in sorted(_kinds(paths)):
            with suppress(ValueError):
                ranges[kind] = self._of(kind)
        return ranges

    def counts(self, paths: Sequence[str]) -> dict[str, tuple[int, int]]:
        """Return for each kind how many images at `paths` were read, and how many of them have values beyond its
        range."""
        given = set(paths)
        found = {kind: (len(files & given), len(self._beyond[kind] & given)) for kind, files in self._files.items()}
        return {kind: count for kind, count in found.items() if count[0]}

    def add_counts(self, counts: dict[str, tuple[int, int]]) -> None:
        """Add the `counts` of images that were read earlier to the notes."""
        self._counted.append(counts)

    def forget_counts(self) -> None:
        self._counted.clear()

    def notes(self) -> Iterator[str]:
        """Yield sentences about the kinds of images and their ranges."""
        for kind in sorted({*self._files, *chain(*self._counted)}):
            counts = [
                (len(self._files[kind]), len(self._beyond[kind])),
                *(one.get(kind, (0, 0)) for one in self._counted),
            ]
            total, outside = map(sum, zip(*counts, strict=True))
            images = "1 image has" if total == 1 else f"{total:,} images have"
            beyond = f"; {outside:,} of them have values beyond" if outside else ""
            yield f"{images} {kind} values {self.found[kind]}, scaled to 0-255{beyond}"
            span, most = self.found[kind], self._most.get(kind)
            if most and 0 < most.high - most.low < _FEW_LEVELS / 256 * (span.high - span.low):
                yield f"most {kind} values are {most}: data.value_range can spread them over more grey levels"

    def _of(self, kind: str) -> Range:
        with self._lock:
            if kind not in self.found:
                self.found[kind] = self._fixed or self._measure(kind)
            return self.found[kind]

    def _measure(self, kind: str) -> Range:
        for paths in self._candidates:
            # RandomState draws the same images in every version of NumPy.
            order = np.random.RandomState(np.random.MT19937(0)).permutation(len(paths))
            measured = list(islice(_measured(kind, [paths[row] for row in order]), _MEASURED))
            if measured:
                self._most[kind] = Range(min(one.most.low for one in measured), max(one.most.high for one in measured))
                low, high = min(one.all.low for one in measured), max(one.all.high for one in measured)
                return usual_range(low, high, integers=all(one.integers for one in measured))
        raise ValueError("no finite value")


class RecordedRanges(ValueRanges):
    """Scales new images as a run recorded it. An image of a kind that the run does not know has its own range, so that
    the images before it change nothing; `unknown` counts these images by kind."""

    def __init__(self, found: Mapping[str, Range], fixed: Range | None = None) -> None:
        super().__init__(found, fixed=fixed)
        self.unknown: Counter[str] = Counter()

    def to_8_bits(self, image: ImageFile.ImageFile, depth: Depth, path: str) -> Image.Image:
        span = self._fixed or self.found.get(depth.name)
        if span is None:
            if (measured := _measure_image(depth.name, path)) is None:
                raise ValueError("no finite value")
            span = usual_range(measured.all.low, measured.all.high, integers=measured.integers)
            with self._lock:
                self.unknown[depth.name] += 1
        return to_8_bits(image, depth, span)[0]

    def notes(self) -> Iterator[str]:
        for kind, count in sorted(self.unknown.items()):
            images = "1 image has" if count == 1 else f"{count:,} images have"
            yield f"{images} {kind} values, which the run does not know: each is scaled by its own range"


class _Measured(NamedTuple):
    """The values of an image: the range of `all`, and that of `most`, without outliers."""

    all: Range
    most: Range
    integers: bool


def kind_of(path: str) -> str | None:
    """Return the `Depth.name` of an image with more than 8 bits; None for other files."""
    try:
        with open_image(path) as image:
            depth = depth_of(image)
    except Exception:  # Pillow's decoders raise many kinds of exceptions for damaged files.
        return None
    return depth.name if depth else None


def _kinds(paths: Sequence[str]) -> set[str]:
    """Return the kinds of all images with more than 8 bits."""
    others = [path for path in paths if not path.lower().endswith(_JPEG)]
    with ThreadPoolExecutor(_THREADS) as pool:
        return {kind for kind in pool.map(kind_of, others) if kind}


def _measured(kind: str, paths: Sequence[str]) -> Iterator[_Measured]:
    """Measure the images of this kind."""
    rest = iter(paths)
    with ThreadPoolExecutor(_THREADS) as pool:
        while portion := list(islice(rest, 256)):
            yield from filter(None, pool.map(lambda path: _measure_image(kind, path), portion))


def _measure_image(kind: str, path: str) -> _Measured | None:
    try:
        with open_image(path, size=1) as image:
            depth = depth_of(image)
            if depth is None or depth.name != kind:
                return None
            values = read_values(image, depth)
    except Exception:  # Pillow's decoders raise many kinds of exceptions for damaged files.
        return None
    if values.ndim == 3:
        values = values[..., :3]
    values = values[np.isfinite(values)]
    if not values.size:
        return None
    some = values[:: max(1, values.size // 10_000)]
    return _Measured(
        Range(values.min().item(), values.max().item()),
        Range(*np.quantile(some, (_OUTLIERS, 1 - _OUTLIERS)).tolist()),
        values.dtype.kind != "f",
    )
