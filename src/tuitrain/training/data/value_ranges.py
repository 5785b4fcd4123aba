"""Choose once per data set which values of images with more than 8 bits become 0 and 255."""

import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

import numpy as np

from tuitrain.training.data.depth import Range, depth_of, read_values, usual_range
from tuitrain.training.data.image_file import open_image

_THREADS = 8
# The images that a range is measured on.
_MEASURED = 2000
# As older versions read images, and runs that they have trained.
OLDER = {
    name: Range(0, 65535)
    for name in ("16-bit", "16-bit PPM", "signed 8-bit", "signed 16-bit", "32-bit", "signed 32-bit")
} | {"floating-point": Range(0, 1)}


class ValueRanges:
    """The range of each kind of image with more than 8 bits, by `Depth.name`: `fixed`, or that in `found`, or measured
    on `training`, the paths of the training images, when the first such image is read. All images of a kind are scaled
    alike, so that a dark image stays darker than a bright one. `others` are images to measure if no training image is
    of this kind. Threads may share one; workers receive a copy with the ranges found so far."""

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
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[type["ValueRanges"], tuple[dict[str, Range]]]:
        return ValueRanges, (self.found,)

    def of(self, kind: str, path: str) -> Range:
        """Return the range of the image `path`, which is of this kind. Raises ValueError if it has none."""
        self._files[kind].add(path)
        with self._lock:
            if kind not in self.found:
                self.found[kind] = self._fixed or self._measure(kind)
        return self.found[kind]

    def notes(self) -> Iterator[str]:
        for kind, files in sorted(self._files.items()):
            images = "1 image has" if len(files) == 1 else f"{len(files):,} images have"
            yield f"{images} {kind} values {self.found[kind]}, scaled to 0-255"

    def _measure(self, kind: str) -> Range:
        for paths in self._candidates:
            # Always the same images, in every version of NumPy.
            order = np.random.RandomState(np.random.MT19937(0)).permutation(len(paths))
            extremes = list(islice(_extremes(kind, [paths[row] for row in order]), _MEASURED))
            if extremes:
                lows, highs, integers = zip(*extremes, strict=True)
                return usual_range(min(lows), max(highs), integers=all(integers))
        raise ValueError("no finite value")


def _extremes(kind: str, paths: Sequence[str]) -> Iterator[tuple[float, float, bool]]:
    """Yield the lowest and highest value of each image of this kind, and whether its values are integers."""
    rest = iter(paths)
    with ThreadPoolExecutor(_THREADS) as pool:
        while portion := list(islice(rest, 256)):
            yield from filter(None, pool.map(lambda path: _extremes_of(kind, path), portion))


def _extremes_of(kind: str, path: str) -> tuple[float, float, bool] | None:
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
    return (values.min().item(), values.max().item(), values.dtype.kind != "f") if values.size else None
