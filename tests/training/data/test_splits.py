from typing import Any

import pytest
import torch
from torch import Tensor

from tuitrain.errors import TrainingError
from tuitrain.training.data.decoding.decode import ImageError
from tuitrain.training.data.splits import MemorySplit, StreamedSplit, default_workers

CPU = torch.device("cpu")


class Reader:
    """Returns an image of the file's number, or raises for the files in `unreadable`."""

    shape = (1, 2, 2)

    def __init__(self, *unreadable: int) -> None:
        self.unreadable = unreadable

    def __call__(self, file: str) -> Tensor:
        if int(file) in self.unreadable:
            raise ImageError("It is damaged.")
        return torch.full(self.shape, int(file), dtype=torch.uint8)


def streamed(*unreadable: int, **options: Any) -> StreamedSplit:
    """Return a split of 20 images with the labels 100 to 119."""
    reader: Any = Reader(*unreadable)
    files = [str(row) for row in range(20)]
    return StreamedSplit(files, torch.arange(100, 120), reader, CPU, **options)


@pytest.mark.parametrize(
    ("unreadable", "row", "given"),
    [((), 3, 3), ((3,), 3, 4), ((3, 4), 3, 5), ((19,), 19, 0), ((18, 19, 0), 18, 1), (range(3, 18), 3, 18)],
)
def test_the_next_readable_image_replaces_an_unreadable_one(unreadable: tuple[int, ...], row: int, given: int) -> None:
    split = streamed(*unreadable)
    [(images, labels)] = split.batches(torch.tensor([row]), 4)
    assert (images[0].tolist(), labels.tolist()) == ([[[given] * 2] * 2], [100 + given])
    assert split.unreadable == ({row} if row != given else set())


def test_16_unreadable_images_in_a_row_mean_that_the_disk_is_gone() -> None:
    with pytest.raises(TrainingError, match="16 images in a row could not be read"):
        list(streamed(*range(2, 18)).batches(torch.tensor([2]), 4))


def test_an_evaluation_replaces_no_image() -> None:
    split = streamed(7, substitute=False)
    assert [len(labels) for _, labels in split.batches(torch.arange(7), 4)] == [4, 3]
    with pytest.raises(TrainingError, match="The image 7 can no longer be read"):
        list(split.batches(torch.tensor([6, 7]), 4))


@pytest.mark.parametrize("split", [streamed(), MemorySplit(torch.arange(20).view(-1, 1, 1, 1), torch.arange(100, 120))])
@pytest.mark.parametrize(("order", "size", "labels"), [
    ([3, 1, 2], 2, [[103, 101], [102]]), ([19, 0], 2, [[119, 100]]), ([5], 1, [[105]]),
])  # fmt: skip
def test_batches_follow_the_order(
    split: StreamedSplit | MemorySplit, order: list[int], size: int, labels: list[list[int]]
) -> None:
    found = list(split.batches(torch.tensor(order), size))
    assert [label.tolist() for _, label in found] == labels
    assert [(images[:, 0, 0, 0] + 100).tolist() for images, _ in found] == labels
    assert len(split) == 20


@pytest.mark.parametrize(("device", "cores", "workers"), [
    ("cpu", 16, 0), ("cuda", 1, 0), ("cuda", 2, 1), ("cuda", 9, 8), ("cuda", 64, 8),
])  # fmt: skip
def test_a_gpu_leaves_cores_for_workers(monkeypatch: pytest.MonkeyPatch, device: str, cores: int, workers: int) -> None:
    monkeypatch.setattr("tuitrain.training.data.splits.available_cores", lambda: cores)
    assert default_workers(torch.device(device)) == workers


@pytest.mark.parametrize(
    ("options", "survive"), [({}, False), ({"workers": 2}, True), ({"workers": 2, "persistent": False}, False)]
)
def test_workers_survive_between_epochs_unless_told_otherwise(options: dict[str, Any], survive: bool) -> None:
    loader = streamed(**options)._loader
    assert (loader.num_workers, loader.persistent_workers) == (options.get("workers", 0), survive)
