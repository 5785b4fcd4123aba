"""Choose where the images of a folder are kept: in memory, in a cache file, or in their own files."""

import math

import torch

from tuitrain.config.schema import Data
from tuitrain.image_folder.splits import FolderSplits
from tuitrain.training.data.dataset import Progress, in_memory, size_text
from tuitrain.training.data.folder_reader import FolderReader
from tuitrain.training.data.pixel_cache import PixelCache, UncachedError
from tuitrain.training.data.splits import Split, default_workers
from tuitrain.training.device import free_memory


def read_splits(
    config: Data, folder: FolderSplits, reader: FolderReader, device: torch.device, progress: Progress
) -> tuple[dict[str, Split], str]:
    """Read the splits as `data.storage` says; return them, and a text that says where their pixels are. Raises
    DataError."""
    size = reader.count * math.prod(reader.read.shape)
    if config.storage == "memory" or (config.storage == "auto" and size < free_memory(device) / 2):
        return reader.in_memory(), in_memory(size)
    if config.storage != "stream":
        cache = PixelCache(folder.root, folder.paths, reader.read, progress)
        # An evaluation of one split does not decode the others for a cache.
        complete = reader.count == len(folder.paths)
        try:
            images = cache.build(int(config.cache_gb * 1e9)) if complete else cache.open(reader.rows())
        except UncachedError as error:
            reader.notes.append(f"the images are not cached, but streamed: {error}")
        else:
            if images is not None:
                return reader.cached(images), f"kept as uint8 in {cache.path}: {size_text(cache.size)}"
    workers = default_workers(device) if config.workers is None else config.workers
    return reader.streamed(workers), "streamed: each batch is decoded from its files"
