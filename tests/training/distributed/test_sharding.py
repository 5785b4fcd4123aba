"""Each image of a batch belongs to one rank."""

import pytest
import torch

from tuitrain.training.distributed.sharding import own_rows, shares


@pytest.mark.parametrize("ranks", [1, 2, 3, 5])
@pytest.mark.parametrize("batch_size", [1, 2, 4, 7])
@pytest.mark.parametrize("images", [1, 2, 6, 20, 23])
def test_ranks_divide_every_batch(images: int, batch_size: int, ranks: int) -> None:
    order = torch.randperm(images)
    batches = torch.split(order, batch_size)
    parts, counts = [], []
    for rank in range(ranks):
        rows, size = own_rows(order, batch_size, rank, ranks)
        parts.append(torch.split(rows, size))
        counts.append(shares(images, batch_size, rank, ranks))
    for number, batch in enumerate(batches):
        own = [counts[rank][number].own for rank in range(ranks)]
        assert {counts[rank][number].whole for rank in range(ranks)} == {len(batch)}
        assert max(own) - min(own) <= 1
        # A rank without images has one that does not count, from the same batch.
        found = [parts[rank][number] for rank in range(ranks)]
        assert [len(part) for part in found] == [max(1, count) for count in own]
        assert all(part[0] in batch for part in found)
        counted = [part[:count] for part, count in zip(found, own, strict=True)]
        assert torch.cat(counted).tolist() == batch.tolist()
    assert [len(part) for part in parts] == [len(batches)] * ranks


def test_an_epoch_without_images_left_has_no_batch() -> None:
    rows, size = own_rows(torch.arange(0), 4, 1, 3)
    assert (len(rows), size) == (0, 1)
    assert shares(0, 4, 1, 3) == []
