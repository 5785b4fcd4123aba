import math
from pathlib import Path

import pytest
import torch

from tuitrain.training import checkpoint
from tuitrain.training.window import Window

CPU = torch.device("cpu")


def filled(losses: list[float], sizes: list[int], capacity: int = 8) -> Window:
    """Of each mini-batch the first half, rounded up, is classified rightly."""
    window = Window(capacity, CPU)
    for loss, size in zip(losses, sizes, strict=True):
        labels = torch.arange(size) % 3
        answers = torch.where(torch.arange(size) < (size + 1) // 2, labels, labels + 1)
        window.add(torch.tensor(loss), torch.nn.functional.one_hot(answers, 4).float(), labels)
    return window


def test_sums_over_images() -> None:
    window = filled([0.5, 2.0, 1.0], [4, 3, 1])
    assert len(window) == 3
    assert window.read() == (0.5 * 4 + 2.0 * 3 + 1.0, 2 + 2 + 1, 8)


def test_reading_empties() -> None:
    window = filled([1.0, 1.0], [2, 2])
    window.read()
    assert len(window) == 0
    assert window.read() == (0, 0, 0)
    window.add(torch.tensor(3.0), torch.eye(4), torch.arange(4))
    assert window.read() == (12.0, 4, 4)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_the_first_loss_that_is_not_finite(bad: float) -> None:
    found = filled([1.0, 2.0, bad, math.nan], [1, 1, 1, 1]).first_bad()
    assert found is not None
    assert found[0] == 2
    assert str(found[1]) == str(bad)


def test_what_was_read_is_forgotten() -> None:
    window = filled([math.nan, 1.0], [1, 1])
    window.read()
    assert window.first_bad() is None
    window.add(torch.tensor(1.0), torch.eye(4), torch.arange(4))
    assert window.first_bad() is None


def test_saved_and_restored(tmp_path: Path) -> None:
    window = filled([0.5, 2.0], [4, 3])
    checkpoint.save(tmp_path / "window", window.state())
    again = Window(4, CPU)
    again.restore(checkpoint.load(tmp_path / "window"))
    for each in (window, again):
        each.add(torch.tensor(1.0), torch.eye(4), torch.arange(4))
    assert again.read() == window.read() == (0.5 * 4 + 2.0 * 3 + 4.0, 2 + 2 + 4, 11)


def test_a_saved_window_that_is_longer_makes_room(tmp_path: Path) -> None:
    checkpoint.save(tmp_path / "window", filled([1.0] * 5, [1] * 5).state())
    window = Window(4, CPU)
    window.restore(checkpoint.load(tmp_path / "window"))
    for _ in range(4):
        window.add(torch.tensor(2.0), torch.eye(4), torch.arange(4))
    assert window.read() == (5.0 + 4 * 4 * 2.0, 5 + 4 * 4, 5 + 4 * 4)


def test_a_window_keeps_no_graph() -> None:
    window = filled([1.0], [1])
    assert not window.state()["losses"].requires_grad
