"""The average of weights over the steps."""

import pytest
import torch
from torch import nn

from tuitrain.training.average import WeightAverage


class Network(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear, self.norm = nn.Linear(2, 2), nn.BatchNorm1d(2)

    @property
    def counter(self) -> torch.Tensor:
        assert self.norm.num_batches_tracked is not None
        return self.norm.num_batches_tracked


@pytest.mark.parametrize(
    ("decay", "updates", "expected"), [(0.9, 0, 0.1), (0.9, 1, 2 / 11), (0.9, 1000, 0.9), (0.05, 0, 0.05)]
)
def test_the_share_of_the_old_average_grows_up_to_the_decay(decay: float, updates: int, expected: float) -> None:
    model = Network()
    with torch.no_grad():
        model.linear.weight.fill_(1.0)
        average = WeightAverage(model, decay)
        model.linear.weight.fill_(0.0)
    average.update(updates)
    assert torch.allclose(average.state_dict()["linear.weight"], torch.full((2, 2), expected))


def test_whole_numbers_are_copied() -> None:
    model = Network()
    average = WeightAverage(model, 0.9)
    model.counter.add_(7)
    average.update(5)
    assert average.state_dict()["norm.num_batches_tracked"] == 7


def test_the_models_own_weights_return_even_after_an_error() -> None:
    model = Network()
    average = WeightAverage(model, 0.9)
    with torch.no_grad():
        model.linear.weight.fill_(3.0)
    before = average.state_dict()["linear.weight"].clone()

    def evaluate() -> None:
        with average.applied():
            assert torch.equal(model.linear.weight, before)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluate()
    assert torch.equal(model.linear.weight, torch.full((2, 2), 3.0))


def test_a_loaded_average_continues_and_another_networks_is_refused() -> None:
    model = Network()
    average, other = WeightAverage(model, 0.9), WeightAverage(Network(), 0.9)
    other.load_state_dict(average.state_dict())
    assert all(map(torch.equal, other.state_dict().values(), average.state_dict().values()))
    with torch.no_grad():
        model.linear.weight.add_(1.0)
    average.update(3)
    assert not torch.equal(other.state_dict()["linear.weight"], average.state_dict()["linear.weight"])
    with pytest.raises(KeyError):
        other.load_state_dict({})
