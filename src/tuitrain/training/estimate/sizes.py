"""Bytes of tensors."""

from collections.abc import Iterable, Iterator

from torch import Tensor, optim

from tuitrain.training.optim.build import inner_optimizers
from tuitrain.training.setup import Setup


def bytes_of(tensors: Iterable[Tensor]) -> int:
    """Return the bytes of the storages of the tensors, each storage once."""
    storages = (tensor.untyped_storage() for tensor in tensors)
    return sum({id(storage): storage.nbytes() for storage in storages}.values())


def optimizer_state(optimizer: optim.Optimizer) -> Iterator[Tensor]:
    for part in inner_optimizers(optimizer):
        for state in part.state.values():
            yield from (value for value in state.values() if isinstance(value, Tensor))


def kept_tensors(setup: Setup) -> Iterator[Tensor]:
    """Yield the tensors that exist between two steps, except the images: weights, gradients, state and average."""
    yield from setup.model.state_dict().values()
    yield from (parameter.grad for parameter in setup.model.parameters() if parameter.grad is not None)
    yield from optimizer_state(setup.optimizer)
    if setup.average:
        yield from setup.average.state_dict().values()
