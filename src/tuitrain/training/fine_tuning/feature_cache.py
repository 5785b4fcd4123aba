"""Keep the features of images in files of the cache folder, for later runs with the same frozen backbone."""

import hashlib
import time
from collections.abc import Callable
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch
from msgspec.structs import replace
from torch import Tensor, nn

from tuitrain import __version__
from tuitrain.config.code import short_name
from tuitrain.image_folder import pixel_files
from tuitrain.image_folder.pixel_files import FEATURES, Header
from tuitrain.training.data.pixel_cache import CachedImages
from tuitrain.training.data.splits import Split, StreamedSplit
from tuitrain.training.fine_tuning.head import head_names, is_in, network_in
from tuitrain.training.provenance import numeric_flags
from tuitrain.training.setup import Setup

# Takes the current activity, for the user; may raise to abort it.
Report = Callable[[str], None]
# Seconds between checks whether another process has written the file.
_WAIT = 0.2
# Packages that read images and define networks.
_PACKAGES = ("torch", "torchvision", "timm", "pillow")


class FeatureCache:
    """The features that the frozen backbone of a run computes, one file per split. `read` and `computed` count images,
    and `notes` are sentences for the log."""

    def __init__(self, setup: Setup, report: Report) -> None:
        self._setup, self._report = setup, report
        self._facts = backbone_facts(setup)
        self.read = self.computed = 0
        self.notes: list[str] = []

    def features(self, split: Split, compute: Callable[[], Tensor]) -> Tensor:
        """Return the features of a split, (N, D) on the device, from its file, or what `compute` returns, and write the
        file. If another process computes them, wait for it."""
        limit = int(self._setup.config.data.cache_gb * 1e9)
        if not limit or not split.fingerprint:
            return self._compute(split, compute)
        path, key = self.file_of(split)
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
        with pixel_files.locked(path, self._wait):
            if (found := self._stored(path, key, split)) is not None:
                return found
            features = self._compute(split, compute)
            # An image that could not be read was replaced by another one.
            if not (isinstance(split, StreamedSplit) and split.unreadable):
                self._store(path, key, features, limit)
        return features

    def _compute(self, split: Split, compute: Callable[[], Tensor]) -> Tensor:
        features = compute()
        self.computed += len(split)
        return features

    def _wait(self) -> bool:
        self._report("waiting for another run that computes these features")
        time.sleep(_WAIT)
        return True

    def file_of(self, split: Split) -> tuple[Path, str]:
        """Return the path for the features of a split, and the key that identifies them."""
        facts = {**self._facts, "split": split.fingerprint, "images": len(split)}
        key = pixel_files.key_of(iter([msgspec.json.encode(facts)]))
        return pixel_files.path_of(key, Path(f"{self._source}-{self._network}"), FEATURES), key

    @property
    def _source(self) -> str:
        return self._setup.dataset.folder or self._setup.dataset.name

    @property
    def _network(self) -> str:
        return short_name(self._setup.config.model.name)

    def _stored(self, path: Path, key: str, split: Split) -> Tensor | None:
        """Return the features in an existing file; None if there is none, or if it is damaged."""
        if not path.exists():
            return None
        features = read_features(path, key, len(split), lambda doing, _: self._report(doing))
        if features is None:
            self.notes.append(f"the cached features in {path.name} are damaged and are computed again")
            return None
        pixel_files.mark_used(path)
        self.read += len(split)
        return features.to(self._setup.device)

    def _store(self, path: Path, key: str, features: Tensor, limit: int) -> None:
        """Write the features of a split, unless they take more than `limit` bytes or the disk refuses them."""
        dtype = str(features.dtype).removeprefix("torch.")
        try:
            header = msgspec.convert(
                {"key": key, "folder": self._source, "count": len(features), "shape": features.shape[1:],
                 "dtype": dtype, "network": self._network},
                Header,
            )  # fmt: skip
            if header.file_bytes > limit:
                self._note_uncached(f"they take {header.file_bytes / 1e9:,.1f} GB, and data.cache_gb = {limit / 1e9:g}")
            elif removed := write_features(path, header, features, limit):
                self.notes.append(f"removed from the cache: {', '.join(removed)}")
        except OSError as error:
            self._note_uncached(f"writing {path.parent} failed: {error.strerror}")

    def _note_uncached(self, reason: str) -> None:
        note = f"the features are not cached: {reason}"
        if note not in self.notes:
            self.notes.append(note)


def read_features(path: Path, key: str, count: int, progress: Callable[[str, float | None], None]) -> Tensor | None:
    """Return the features (N, D) in a file, on the CPU; None if the file is damaged or contains others."""
    header = pixel_files.read_header(path)
    if header is None or (header.key, header.count, len(header.shape)) != (key, count, 1):
        return None
    try:
        rows = CachedImages(path, header)
    except OSError:
        return None
    if not rows.whole(range(count), progress):
        return None
    # A copy, because the file may be removed.
    features: Tensor = rows.pixels.clone().view(getattr(torch, header.dtype))
    return features


def write_features(path: Path, header: Header, features: Tensor, limit: int) -> list[str]:
    """Write the features (N, D) to a file; return the names of the files removed for it. Raises OSError."""
    rows = features.cpu().contiguous().view(torch.uint8).numpy()
    checksums = np.array([pixel_files.checksum(row.tobytes()) for row in rows], "<u4")

    def fill(draft: Path) -> None:
        with draft.open("xb") as file:
            file.write(header.encode())
            file.write(checksums.tobytes())
            file.seek(header.pixels_at)
            file.write(rows.data)

    return pixel_files.write(path, header.file_bytes, limit, fill)


def backbone_facts(setup: Setup) -> dict[str, Any]:
    """Return everything that determines the features of an image, except the image."""
    config, dataset, weights = setup.config, setup.dataset, setup.weights
    network = network_in(setup.model)
    return {
        "backbone": backbone_digest(network),
        "classifier": head_names(network),
        # Weights also select the stem and the activations of some networks.
        "network": replace(config.model, dropout=0.0, weights="some" if config.model.weights else None),
        "shape": dataset.shape,
        "images": [config.data.resize, weights and weights.crop, weights and weights.interpolation],
        "normalization": [dataset.mean, dataset.std, dataset.normalization.white],
        "value_ranges": {kind: [span.low, span.high] for kind, span in dataset.value_ranges.items()},
        "device": torch.cuda.get_device_name(setup.device) if setup.device.type == "cuda" else setup.device.type,
        # The last bits depend on how the threads of a CPU share the work.
        "threads": setup.threads if setup.device.type == "cpu" else 0,
        "flags": numeric_flags(setup),
        "versions": [__version__, *map(version, _PACKAGES)],
    }


def backbone_digest(network: nn.Module) -> str:
    """Return the SHA-256 of all tensors of a network, except those of its classifier."""
    digest, heads = hashlib.sha256(), head_names(network)
    for name, value in network.state_dict().items():
        if not is_in(name, heads):
            digest.update(f"{name} {value.dtype} {tuple(value.shape)} ".encode())
            digest.update(value.cpu().contiguous().view(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
