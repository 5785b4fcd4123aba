"""Stream images from disk."""

from pathlib import Path

import pytest
import torch

from training.data.image_folders import read
from tuitrain.errors import TrainingError
from tuitrain.training.data.splits import Split, StreamedSplit


def gathered(split: Split, order: torch.Tensor, size: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    some, labels = zip(*split.batches(order, size), strict=True)
    return torch.cat(some), torch.cat(labels)


@pytest.mark.parametrize("measured", [2000, 7])
def test_streamed_and_held_are_the_same(folder: Path, monkeypatch: pytest.MonkeyPatch, measured: int) -> None:
    monkeypatch.setattr("tuitrain.training.data.folder_reader._MEASURED", measured)
    (folder / "bee/text.png").write_text("not an image")
    held = read(folder, storage="memory")
    streamed = read(folder, storage="stream")
    assert isinstance(streamed.train, StreamedSplit)
    assert (streamed.mean, streamed.std, streamed.notes) == (held.mean, held.std, held.notes)
    for name in ("train", "validation", "test"):
        one, other = getattr(held, name), getattr(streamed, name)
        assert len(one) == len(other)
        order = torch.randperm(len(one), generator=torch.Generator().manual_seed(0))
        for expected, given in zip(gathered(one, order), gathered(other, order), strict=True):
            assert torch.equal(expected, given)


@pytest.mark.parametrize("storage", ["memory", "stream"])
def test_no_rows_are_no_batch_or_an_empty_one(folder: Path, storage: str) -> None:
    batches = list(read(folder, storage=storage).test.batches(torch.arange(0), 4))
    assert sum(len(labels) for _, labels in batches) == 0


def test_workers_read_the_same_and_live_on(folder: Path) -> None:
    held = read(folder, storage="memory")
    streamed = read(folder, storage="stream", workers=1)
    torch.manual_seed(0)
    state = torch.get_rng_state()
    for order in (torch.arange(20), torch.arange(40).flip(0)):
        for expected, given in zip(gathered(held.train, order), gathered(streamed.train, order), strict=True):
            assert torch.equal(expected, given)
        # Left in the middle, as a stop does.
        next(iter(streamed.train.batches(order, 2)))
    assert torch.equal(state, torch.get_rng_state())


def test_an_image_lost_on_the_way_is_replaced(folder: Path) -> None:
    data = read(folder, storage="stream", validation=0)
    split = data.train
    assert isinstance(split, StreamedSplit)
    order = torch.arange(len(split))
    before, labels = gathered(split, order)
    lost = sorted((folder / "ant").iterdir())
    for path in lost[:2]:
        path.write_bytes(b"")
    after, new = gathered(split, order)
    changed = (before != after).flatten(1).any(1)
    assert len(after) == len(before)
    assert set(changed.nonzero().flatten().tolist()) == split.unreadable
    assert len(split.unreadable) in (1, 2)
    assert [Path(path) for path in split.newly_replaced()] == [path for path in lost[:2] if str(path) in split.files]
    assert split.newly_replaced() == []
    assert torch.equal(labels[~changed], new[~changed])


def test_truncated_images_are_not_evaluated_in_either_storage(folder: Path) -> None:
    for path in sorted((folder / "bee").iterdir())[::3]:
        path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    held, streamed = (read(folder, storage=storage) for storage in ("memory", "stream"))
    for name in ("validation", "test"):
        one, other = getattr(held, name), getattr(streamed, name)
        assert one.labels.tolist() == other.labels.tolist()
        order = torch.arange(len(one))
        for expected, given in zip(gathered(one, order), gathered(other, order), strict=True):
            assert torch.equal(expected, given)


def test_an_image_that_disappears_ends_an_evaluation(folder: Path) -> None:
    streamed = read(folder, storage="stream")
    lost = Path(streamed.test.files[2])
    lost.unlink()
    with pytest.raises(TrainingError, match=f"{lost.name} can no longer be read"):
        gathered(streamed.test, torch.arange(len(streamed.test)))


def test_a_folder_lost_on_the_way_ends_the_run(folder: Path) -> None:
    data = read(folder, storage="stream", validation=0)
    folder.rename(folder.parent / "gone")
    with pytest.raises(TrainingError, match="in a row could not be read"):
        gathered(data.train, torch.arange(4))
