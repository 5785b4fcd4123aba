"""Classify new pictures with the network of a run, as its evaluations classify the images of a split."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import chain
from threading import Barrier
from typing import NamedTuple

import torch
from torch import Tensor, nn

from tuitrain.config.code import is_spec
from tuitrain.config.schema import Config
from tuitrain.errors import RunError
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.records import RunInfo
from tuitrain.text import plain
from tuitrain.training.data.decoding.attempts import decoding_threads
from tuitrain.training.data.decoding.decode import ImageError
from tuitrain.training.data.normalize import Normalization, Normalizer
from tuitrain.training.data.picture_reader import PictureReader
from tuitrain.training.device import choose_device, configure_torch
from tuitrain.training.evaluation.evaluate import batch_size_on, compute_logits
from tuitrain.training.export.trained import load
from tuitrain.training.models.placement import move
from tuitrain.training.prediction.views import Views
from tuitrain.training.setup import autocast
from tuitrain.training.user_code import forget_modules

Decoded = tuple[str, Tensor | str]
# Batches of pictures that are decoded in advance while the network computes.
_AHEAD = 2


class Classified(NamedTuple):
    """The most probable classes of a picture, as (index, probability); none if it cannot be read for the reason
    `problem`."""

    path: str
    top: tuple[tuple[int, float], ...] = ()
    problem: str = ""


@dataclass(frozen=True)
class Predictor:
    """A trained network in eval mode. `read` decodes a picture, and `views` are averaged."""

    model: nn.Module
    classes: tuple[str, ...]
    read: PictureReader
    normalization: Normalization
    device: torch.device
    autocast: Callable[[], AbstractContextManager[object]]
    views: Views

    @classmethod
    def of_run(cls, folder: RunFolder, config: Config, which: str, *, augmented: bool = False) -> "Predictor":
        """Load the checkpoint `which` of a run, in the thread that will predict. `config` names the device. Raises
        TuitrainError."""
        forget_modules()
        info = _checked_info(folder)
        trained = load(folder, which)
        read = PictureReader.of_run(config.data, info, trained.white or 255)
        device = choose_device(config.training.device)
        configure_torch(config, device)
        return cls(
            model=move(trained.network, device, own=is_spec(config.model.name)).eval(),
            classes=tuple(info.classes),
            read=read,
            normalization=Normalization(tuple(info.mean), tuple(info.std), read.white),
            device=device,
            autocast=autocast(config, device),
            views=Views.usual(config.data) if augmented else Views(),
        )

    def classify(self, paths: Iterable[str | None], top: int) -> Iterator[Classified]:
        """Yield the `top` classes of each picture, in order. Decode in other threads while the network computes. None
        in place of a path says that the next one may take a while: then classify all before it."""
        for batch in _batches(_decoded(self.read, paths, _AHEAD * self._batch_size), self._batch_size):
            images = [found for _, found in batch if isinstance(found, Tensor)]
            rows = iter(self._top(torch.stack(images), top) if images else ())
            for path, found in batch:
                yield Classified(path, next(rows)) if isinstance(found, Tensor) else Classified(path, problem=found)

    @property
    def _batch_size(self) -> int:
        return batch_size_on(self.device, self.read.read.shape)

    @torch.inference_mode()
    def probabilities(self, images: Tensor) -> Tensor:
        """Return the probabilities of all classes, (N, K) float32, for images (N, C, H, W) uint8 on the CPU."""
        images, normalize = images.to(self.device), Normalizer(self.normalization, self.device)
        unit = self.normalization.in_unit_range(images) if self.views.crops else None
        found = [
            compute_logits(self.model, view, normalize, self.autocast).softmax(1)
            for view in self.views.of(images, unit)
        ]
        # NaN logits have no probability, as in an evaluation.
        return found[0] if len(found) == 1 else torch.stack(found).mean(0)

    def _top(self, images: Tensor, top: int) -> list[tuple[tuple[int, float], ...]]:
        # Stable, so that the first of equally probable classes wins, as in an evaluation.
        values, classes = self.probabilities(images).sort(stable=True, dim=1, descending=True)
        values, classes = values[:, :top].nan_to_num(0.0), classes[:, :top]
        return [tuple(zip(*row, strict=True)) for row in zip(classes.tolist(), values.tolist(), strict=True)]


def _checked_info(folder: RunFolder) -> RunInfo:
    """Return the record of a run. Raise RunError if another tool trained it, or if it has not loaded its data."""
    if folder.read_only:
        raise RunError(f"{plain(folder.id)} was trained by another tool and has no weights.")
    info = folder.info()
    if not info.classes or not 0 < info.shape[0] == len(info.mean) == len(info.std) or min(info.shape) < 1:
        raise RunError(f"{plain(folder.id)} ended before it had loaded its data.", "Resume it, or choose another run.")
    return info


def _batches(pictures: Iterable[Decoded | None], size: int) -> Iterator[list[Decoded]]:
    """Yield batches of `size` pictures, and smaller ones before each None."""
    batch: list[Decoded] = []
    for picture in pictures:
        if picture is not None:
            batch.append(picture)
        if batch and (picture is None or len(batch) == size):
            yield batch
            batch = []
    if batch:
        yield batch


def _decoded(read: PictureReader, paths: Iterable[str | None], ahead: int) -> Iterator[Decoded | None]:
    """Yield each path with its image, or with the reason why it cannot be read. Threads decode `ahead` pictures, or
    those before a None, which follows them."""

    def attempt(path: str) -> Tensor | str:
        try:
            return read(path)
        except ImageError as error:
            return str(error)

    pool = _decoding_pool()
    pending: deque[tuple[str, Future[Tensor | str]]] = deque()
    try:
        for next_path in chain(paths, [None]):
            if next_path is not None:
                pending.append((next_path, pool.submit(attempt, next_path)))
            while len(pending) > (0 if next_path is None else ahead):
                path, future = pending.popleft()
                yield path, future.result()
            if next_path is None:
                yield None
    finally:
        pool.shutdown(cancel_futures=True)


def _decoding_pool() -> ThreadPoolExecutor:
    """Return threads in which torch's operators use one thread each, while those of this thread keep theirs."""
    threads, count = torch.get_num_threads(), decoding_threads()
    pool, started = ThreadPoolExecutor(count), Barrier(count + 1)

    def start() -> None:
        torch.set_num_threads(1)
        started.wait()

    for _ in range(count):
        pool.submit(start)
    started.wait()
    torch.set_num_threads(threads)
    return pool
