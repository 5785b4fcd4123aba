"""Splits that call the user's Dataset for every batch, because the images change or do not fit into memory."""

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import blake2b

import numpy as np
import torch
from torch import Tensor

from tuitrain.errors import DataError
from tuitrain.training.data.dataset import Ticker
from tuitrain.training.data.user.items import UserSplit


class ItemSplit:
    """The items at `rows` (N,) int64 of a split that the user's code returned. `labels` are (N,) int64 on the device.

    The generators of torch, NumPy and Python are seeded for each batch by its rows, and restored afterwards: random
    changes in the user's code are different in each epoch, but equal when a run is resumed.
    """

    files: Sequence[str] = ()

    def __init__(self, items: UserSplit, rows: Tensor, labels: Tensor, device: torch.device, seed: int) -> None:
        self._items, self._rows, self._seed = items, rows, seed
        self.labels = labels[rows].to(device)
        # The images may change, so the labels identify the split.
        self.fingerprint = blake2b(labels[rows].numpy().tobytes(), digest_size=8).hexdigest()

    def __len__(self) -> int:
        return len(self._rows)

    def batches(self, order: Tensor, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        device = self.labels.device
        for chosen in torch.split(order.cpu(), size) if len(order) else ():
            images = self.images(self._rows[chosen])
            yield images.to(device, non_blocking=True), self.labels.index_select(0, chosen.to(device))

    def images(self, rows: Tensor) -> Tensor:
        """Return the images (n, C, H, W) at the `rows` (n,) of the user's split. Raises DataError."""
        with _seeded(blake2b(rows.numpy().tobytes(), key=str(self._seed).encode(), digest_size=7).digest()):
            found = [self._items.item(row)[0] for row in rows.tolist()]
        if len({(image.shape, image.dtype) for image in found}) > 1:
            raise DataError(
                f"The images of {self._items.name} have several sizes or types.", "Resize them in __getitem__."
            )
        return torch.stack(found)


def read_labels(items: UserSplit, ticker: Ticker) -> Tensor:
    """Return the labels (N,) int64 of all items: the attribute `targets` or `labels`, as in torchvision's Datasets, or
    else those of the items. Raises DataError."""
    known = items.known_labels()
    if known is None:
        known = torch.empty(len(items), dtype=torch.int64)
        for row in range(len(items)):
            known[row] = items.item(row)[1]
            ticker.update()
    items.check_labels(known)
    return known


@contextmanager
def _seeded(seed: bytes) -> Iterator[None]:
    number = int.from_bytes(seed, "big")
    python, numpy = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(number)
        np.random.seed(number % 2**32)
        random.seed(number)
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)
