"""Keep the images of a folder in memory, in a cache file, or in their own files."""

from pathlib import Path

import torch

from tuitrain.config.data.schema import Data
from tuitrain.text import size
from tuitrain.training.data.dataset import Progress, in_memory
from tuitrain.training.data.decoding.decode import ImageReader
from tuitrain.training.data.folder_reader import FolderReader
from tuitrain.training.data.pixel_cache import CachedImages, PixelCache, UncachedError
from tuitrain.training.data.splits import Split, default_workers
from tuitrain.training.device import fits_in_memory


def read_splits(
    config: Data, root: Path, reader: FolderReader, device: torch.device, progress: Progress
) -> tuple[dict[str, Split], str]:
    """Read the splits as `data.storage` says. Return them and a text for the log that says where their pixels are.
    Raises DataError."""
    if keeps_in_memory(config, reader.size, device):
        return reader.in_memory(), in_memory(reader.size)
    if config.storage != "stream":
        cached: list[PixelCache] = []

        def open_images(read: ImageReader, paths: list[str], needed: list[str]) -> CachedImages:
            cache = PixelCache(root, paths, read, progress)
            # An evaluation of one split does not decode the others for a cache.
            images = cache.build(config.cache_gb * 1e9) if reader.is_complete else cache.open(needed)
            if images is None:
                raise UncachedError("there is no cache file")
            cached.append(cache)
            return images

        try:
            splits = reader.cached(open_images)
            places = ", ".join(str(cache.path) for cache in cached)
            return splits, f"kept as uint8 in {places}: {size(sum(cache.size for cache in cached))}"
        except UncachedError as error:
            reader.forget()
            reader.notes.append(f"the images are streamed instead of cached: {error}")
    workers = default_workers(device) if config.workers is None else config.workers
    return reader.streamed(workers), "streamed: each batch is decoded from its files"


def keeps_in_memory(config: Data, size: int, device: torch.device, free: int | None = None) -> bool:
    """Return whether `size` bytes of images stay in the memory of the device. `free` is that of `fits_in_memory`."""
    return config.storage == "memory" or (config.storage == "auto" and fits_in_memory(size, device, free))
