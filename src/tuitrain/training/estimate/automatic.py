"""Choose the size of batches for `data.batch_size = auto`."""

from contextlib import suppress

import torch
from msgspec.structs import replace

from tuitrain.config.data.schema import Data
from tuitrain.config.schema import Config
from tuitrain.training.cuda_graphs.warmup import warm_up
from tuitrain.training.device import free_memory, release_memory
from tuitrain.training.estimate.batch import estimator, with_batch_size
from tuitrain.training.estimate.sizes import bytes_of, kept_tensors
from tuitrain.training.setup import Setup


def choose_batch_size(setup: Setup, recorded: int = 0) -> str:
    """Set the batch size of `setup`, whose configuration says auto: `recorded`, the size with which the run trained
    before, or if that is 0 the largest power of two that fits. On a GPU, try it with real steps. Return a note if the
    network cannot be estimated, or an empty text."""
    estimated = recorded or _estimated(setup)
    _use(setup, estimated or min(Data().images_per_batch, max(2, len(setup.dataset.train))))
    while not recorded and setup.device.type == "cuda" and not _fits(setup) and setup.config.data.images_per_batch > 2:
        _use(setup, setup.config.data.images_per_batch // 2)
    return "" if estimated else "the default, because the memory of the network cannot be estimated"


def _estimated(setup: Setup) -> int | None:
    """Return the largest size that fits; None if the network cannot be estimated."""
    dataset, device, config = setup.dataset, setup.device, setup.config
    # The images are in memory already; the network is, too, but the estimate includes it.
    free = free_memory(device) + bytes_of(kept_tensors(setup))
    estimate = estimator(dataset.shape, len(dataset.classes), 0, device, free)
    # A user's network may read values, which fake tensors do not have, and draw from the generator of the run.
    with suppress(Exception, SystemExit), torch.random.fork_rng(devices=[]):
        return with_batch_size(config, len(dataset.train), estimate).data.images_per_batch
    return None


def _fits(setup: Setup) -> bool:
    """Return whether steps with the present batch size succeed. They do not change the run."""
    try:
        warm_up(setup)
    except torch.OutOfMemoryError:
        return False
    finally:
        release_memory()
    return True


def _use(setup: Setup, size: int) -> None:
    config: Config = setup.config
    setup.config = replace(config, data=replace(config.data, batch_size=size))
    for name in ("images_per_epoch", "batches_per_epoch", "steps_per_epoch", "log_every"):
        vars(setup).pop(name, None)
