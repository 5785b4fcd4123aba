"""Explain predictions of a run by heat maps and by its most similar training images."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tuitrain.analysis.images.heat_map import overlay
from tuitrain.analysis.images.neighbours import nearest
from tuitrain.config.validation import check_value
from tuitrain.config.values import build_config, flatten
from tuitrain.errors import DataError, RunError
from tuitrain.hosts.evaluate import evaluation_config
from tuitrain.hosts.explain.explained import Explained, Neighbour, SmallPicture, Source
from tuitrain.hosts.launch import ProgressCallback
from tuitrain.hosts.log_capture import LogCapture
from tuitrain.hosts.trust import evaluation_code
from tuitrain.runs.folder import RunFolder
from tuitrain.text import plain

if TYPE_CHECKING:
    from torch import Tensor

    from tuitrain.training.data.splits import Split
    from tuitrain.training.embed import Embeddings
    from tuitrain.training.setup import Setup

# No split has this name, so that no image is read before it is needed.
_NO_SPLIT = "none"


@contextmanager
def opened(
    folder: RunFolder, which: str, device: str, progress: ProgressCallback, *, trust: bool = False
) -> Iterator["Explainer"]:
    """Load a run as `loaded` does, and yield its explainer."""
    with loaded(folder, which, device, progress, _NO_SPLIT, trust=trust) as setup:
        yield Explainer(folder, setup, progress)


@contextmanager
def loaded(
    folder: RunFolder, which: str, device: str, progress: ProgressCallback, split: str | None, *, trust: bool = False
) -> Iterator["Setup"]:
    """Load the checkpoint `which` of a run, last or best, in this thread, whose code may run while the context lasts,
    and read the images of `split`, None: of all. Raise TuitrainError if the run, its data or the checkpoint is missing
    or invalid, or if its code is not allowed."""
    check_value("training.device", device)
    if folder.read_only:
        raise RunError(f"{plain(folder.id)} was trained by another tool and has no weights.")
    path = folder.checkpoints / f"{which}.safetensors"
    if not path.exists():
        raise RunError(f"{plain(folder.id)} has no checkpoint {path.name}.", "Train it first.")
    with evaluation_code(folder, trust=trust), LogCapture():
        progress("loading torch", None)
        from tuitrain.training import checkpoint

        setup = _prepare(folder, device, progress, split)
        progress("loading the network", None)
        checkpoint.load_weights(setup.model, checkpoint.load(path), path)
        yield setup


def _prepare(folder: RunFolder, device: str, progress: ProgressCallback, split: str | None) -> "Setup":
    from tuitrain.training.device import choose_device
    from tuitrain.training.setup import prepare
    from tuitrain.training.user_code import explained

    config = evaluation_config(folder.config(), device, on_cpu=choose_device(device).type == "cpu")
    # Training images as evaluations see them.
    config = build_config(flatten(config) | {"data.augment": ()})
    with explained("The run's code", RunError):
        return prepare(config, progress, before=folder.info(), has_checkpoint=True, only=split)


class Explainer:
    """Explains predictions of one checkpoint of a run."""

    def __init__(self, folder: RunFolder, setup: "Setup", progress: ProgressCallback) -> None:
        self._folder, self._setup, self._progress = folder, setup, progress
        self._training: tuple[Split, Embeddings] | None = None
        self.classes = setup.dataset.classes

    def explain(self, source: Source, of: int | None, side: int) -> Explained:
        """Explain the class `of`, by default the predicted one, in pictures of at most `side` pixels. Raise
        TuitrainError if there is no such image, or if the network cannot be explained."""
        import torch

        from tuitrain.training.explain.explain import explain
        from tuitrain.training.user_code import explained

        image, true, name = self.image(source)
        with explained("The explanation", RunError):
            found = explain(self._setup, image, None if of is None else torch.tensor([of]))
        shown = int(found.classes[0])
        pixels, heat = self._pixels(image, side)[0], _shrunk(found.heat, side)[0]
        return Explained(
            name=name,
            method=found.method,
            true=true,
            predicted=int(found.probabilities[0].nan_to_num(0.0).argmax()),
            explained=shown,
            probability=float(found.probabilities[0, shown].nan_to_num(0.0)),
            picture=_small(pixels),
            heated=_small(torch.from_numpy(overlay(pixels.numpy(), heat.numpy()))),
            heat=_small((heat * 255).round().to(torch.uint8)[..., None]),
        )

    def neighbours(self, source: Source, count: int, side: int) -> list[Neighbour]:
        """Return the `count` training images that are most similar to an image, without that image. Raise
        TuitrainError."""
        import torch

        from tuitrain.training.embed import embed
        from tuitrain.training.user_code import explained

        split, embeddings = self.compare()
        with explained("The network", RunError):
            query = embed(self._setup, self.image(source)[0]).float().cpu().numpy()
        rows, similarities = nearest(embeddings.features.numpy(), query, count + 1)
        own = self._row(source) if source.split == "training" else None
        pairs = [pair for pair in zip(rows[0], similarities[0], strict=True) if pair[0] != own][:count]
        if not pairs:
            return []
        chosen = [int(row) for row, _ in pairs]
        images = torch.cat([images for images, _ in split.batches(torch.tensor(chosen), count)])
        return [
            Neighbour(row, self._name(embeddings.files, row), int(embeddings.labels[row]), float(value), _small(pixels))
            for row, (_, value), pixels in zip(chosen, pairs, self._pixels(images, side), strict=True)
        ]

    def image(self, source: Source) -> tuple["Tensor", int | None, str]:
        """Return an image as a split yields it, (1, C, H, W), its label if it is known, and its name. Raise
        TuitrainError."""
        import torch

        row = self._row(source)
        if row is None:
            return self._read(source.path), None, plain(Path(source.path).name, 200)
        split = self._split(source.split)
        ((image, labels),) = split.batches(torch.tensor([row]), 1)
        return image, int(labels[0]), self._name(split.files, row) or f"{source.split} image {row}"

    def _row(self, source: Source) -> int | None:
        """Return the row of the image in its split; None if it is the file of a picture."""
        if source.index is None:
            return None
        split = self._split(source.split)
        if source.path and split.files:
            # Images that cannot be read shift the indices of an evaluation.
            path = os.path.normpath(os.path.join(self._setup.dataset.folder, source.path))  # noqa: PTH118
            if path not in split.files:
                raise DataError(f"{plain(source.path, 200)} is not among the {source.split} images any more.")
            return list(split.files).index(path)
        if not 0 <= source.index < len(split):
            raise DataError(
                f"The {source.split} split has no image {source.index:,}.", f"Choose one from 0 to {len(split) - 1:,}."
            )
        return source.index

    def _split(self, name: str) -> "Split":
        dataset = self._setup.dataset
        split = {"training": dataset.train, "validation": dataset.validation, "test": dataset.test}[name]
        if split is None:
            raise DataError(f"The run has no {name} split.", "Choose another split.")
        return split

    def _name(self, files: Sequence[str], row: int) -> str:
        return plain(os.path.relpath(files[row], self._setup.dataset.folder), 200) if files else ""

    def _read(self, path: str) -> "Tensor":
        from tuitrain.training.data.decoding.decode import ImageError
        from tuitrain.training.data.picture_reader import PictureReader

        read = PictureReader.of_run(self._setup.config.data, self._folder.info())
        try:
            return read(path)[None]
        except ImageError as error:
            raise DataError(f"{plain(path, 200)} cannot be read: {error}.") from None

    def compare(self) -> tuple["Split", "Embeddings"]:
        """Return the training split and the features of its images, computed at the first call. Raise TuitrainError."""
        if self._training is None:
            from tuitrain.training.data.splits import StreamedSplit
            from tuitrain.training.embed import are_cached, embed_split
            from tuitrain.training.user_code import explained

            split = self._setup.dataset.train
            if isinstance(split, StreamedSplit) and not are_cached(self._setup, split):
                # Decodes with several threads, or finds the images in the cache.
                device = str(self._setup.device)
                split = _prepare(self._folder, device, self._progress, "training").dataset.train
            with explained("The network", RunError):
                self._training = split, embed_split(self._setup, split, self._progress)
        return self._training

    def _pixels(self, images: "Tensor", side: int) -> "Tensor":
        """Return images (n, C, H, W) as pictures (n, h, w, c) uint8 on the CPU; c is 1 or 3."""
        from tuitrain.training.data.pictures import pictures

        return pictures(self._setup.dataset.normalization.in_unit_range(images.cpu()), side)


def _shrunk(heat: "Tensor", side: int) -> "Tensor":
    """Return heat (N, H, W) with at most `side` rows and columns."""
    from tuitrain.training.data.pictures import resized

    return resized(heat[:, None], side)[:, 0]


def _small(pixels: "Tensor") -> SmallPicture:
    height, width, channels = pixels.shape
    return SmallPicture(height, width, channels, pixels.contiguous().numpy().tobytes())
