"""Divide each global batch among the ranks."""

from typing import NamedTuple

import torch
from torch import Tensor


class Share(NamedTuple):
    """A rank's share of a global batch: `own` of its `whole` images. A rank without images computes one image of the
    batch that does not count, because all ranks must take part in the sums over the ranks."""

    own: int
    whole: int

    @property
    def fraction(self) -> float:
        return self.own / self.whole


def share_of(whole: int, rank: int, ranks: int) -> Share:
    """Return the share of a rank; the first ranks take the remainder."""
    return Share(whole // ranks + (rank < whole % ranks), whole)


def shares(images: int, batch_size: int, rank: int, ranks: int) -> list[Share]:
    """Return the share of a rank in each global batch of `images` images."""
    return [share_of(min(batch_size, images - start), rank, ranks) for start in range(0, images, batch_size)]


def own_rows(order: Tensor, batch_size: int, rank: int, ranks: int) -> tuple[Tensor, int]:
    """Return the rows (M,) of `order` (N,) that a rank computes, and their number in a full batch, so that
    `torch.split` gives its part of each batch: all but the last are full, and no part is empty."""
    rows = []
    for batch in torch.split(order, batch_size) if len(order) else ():
        share = share_of(len(batch), rank, ranks)
        start = rank * (len(batch) // ranks) + min(rank, len(batch) % ranks)
        rows.append(batch[start : start + share.own] if share.own else batch[:1])
    return torch.cat(rows) if rows else order, max(1, share_of(batch_size, rank, ranks).own)
