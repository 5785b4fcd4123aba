import math
from pathlib import Path

import pytest
import torch

from tuitrain.training import checkpoint
from tuitrain.training.metrics import Window

CPU = torch.device("cpu")


def filled(losses: list[float], sizes: list[int], capacity: int = 8) -> Window:
    """Of each mini-batch the first half, rounded up, is classified rightly."""
    window = Window(capacity, CPU)
    for loss, size in zip(losses, sizes, strict=True):
        labels = torch.arange(size) % 3
        answers = torch.where(torch.arange(size) < (size + 1) // 2, labels, labels + 1)
        window.add(torch.tensor(loss), torch.nn.functional.one_hot(answers, 4).float(), labels)
    return window


def read(window: Window) -> tuple[float, int, int]:
    """Sum of the losses of all images, images classified rightly, images."""
    taken = window.take()
    _, total, correct, _ = taken.read()
    return total, correct, taken.samples


def test_sums_over_images() -> None:
    window = filled([0.5, 2.0, 1.0], [4, 3, 1])
    assert len(window) == 3
    assert read(window) == (0.5 * 4 + 2.0 * 3 + 1.0, 2 + 2 + 1, 8)


def test_reading_empties() -> None:
    window = filled([1.0, 1.0], [2, 2])
    read(window)
    assert len(window) == 0
    assert read(window) == (0, 0, 0)
    window.add(torch.tensor(3.0), torch.eye(4), torch.arange(4))
    assert read(window) == (12.0, 4, 4)


def test_what_is_taken_stays_as_it_was() -> None:
    window, norms = filled([0.5, math.nan], [4, 3]), torch.tensor([3.0, 4.0])
    taken = window.take(norms)
    norms.zero_()
    window.add(torch.tensor(9.0), torch.eye(4), torch.arange(4))
    assert taken.there
    losses, _, correct, more = taken.read()
    assert losses == pytest.approx([0.5, math.nan], nan_ok=True)
    assert (correct, taken.samples, more) == (2 + 2, 7, [[3.0, 4.0]])
    assert window.losses() == [9.0]


def test_saved_and_restored(tmp_path: Path) -> None:
    window = filled([0.5, 2.0], [4, 3])
    checkpoint.save(tmp_path / "window", window.state())
    again = Window(4, CPU)
    again.restore(checkpoint.load(tmp_path / "window"))
    for each in (window, again):
        each.add(torch.tensor(1.0), torch.eye(4), torch.arange(4))
    assert read(again) == read(window) == (0.5 * 4 + 2.0 * 3 + 4.0, 2 + 2 + 4, 11)


def test_a_saved_window_that_is_longer_makes_room(tmp_path: Path) -> None:
    checkpoint.save(tmp_path / "window", filled([1.0] * 5, [1] * 5).state())
    window = Window(4, CPU)
    window.restore(checkpoint.load(tmp_path / "window"))
    for _ in range(4):
        window.add(torch.tensor(2.0), torch.eye(4), torch.arange(4))
    assert read(window) == (5.0 + 4 * 4 * 2.0, 5 + 4 * 4, 5 + 4 * 4)


def test_a_window_keeps_no_graph() -> None:
    window = filled([1.0], [1])
    assert not window.state()["losses"].requires_grad
