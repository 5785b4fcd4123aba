"""Count the bytes of all tensors that exist at once, and the operations that compute them."""

import weakref
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import flop_registry

from tuitrain.training.torch_internals import TorchDispatchMode

# The fused kernels of optimizers update tensors in place, and some of them cannot be called with fake tensors.
_IN_PLACE = "_fused_"
# Optimizers read the number of the step, which a fake tensor does not know.
_READ_NUMBER = "_local_scalar_dense"
_ANY_NUMBER = 0.5


class LiveStorages(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the bytes of the storages that operators create while it is active, each as long as it exists. `known`
    are tensors from before, such as the weights: neither they nor their views count. For fake tensors only.

    `flops` are the floating-point operations of matrix products, convolutions and attention, by torch's formulas. Its
    FlopCounterMode would keep the tensors of checkpointed blocks alive.
    """

    def __init__(self, known: Iterable[Tensor] = ()) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.total = self.peak = self.flops = 0
        self._known = [tensor.untyped_storage() for tensor in known]
        self._live: dict[int, weakref.ref[torch.UntypedStorage]] = {
            id(storage): weakref.ref(storage) for storage in self._known
        }

    def restart_peak(self) -> None:
        self.peak = self.total

    def __torch_dispatch__(
        self, function: Any, _types: Any, arguments: tuple[Any, ...] = (), options: dict[str, Any] | None = None
    ) -> Any:
        name = function.overloadpacket.__name__
        if name.startswith(_IN_PLACE):
            return None
        if name == _READ_NUMBER:
            return _ANY_NUMBER
        options = options or {}
        result = function(*arguments, **options)
        if formula := flop_registry.get(function.overloadpacket):
            self.flops += formula(*arguments, **options, out_val=result)
        for tensor in _tensors(result):
            self._add(tensor.untyped_storage())
        return result

    def _add(self, storage: torch.UntypedStorage) -> None:
        key = id(storage)
        if key in self._live:
            return
        size = storage.nbytes()

        def forget(_: object) -> None:
            del self._live[key]
            self.total -= size

        self._live[key] = weakref.ref(storage, forget)
        self.total += size
        self.peak = max(self.peak, self.total)


def _tensors(result: object) -> Iterator[Tensor]:
    if isinstance(result, Tensor):
        yield result
    elif isinstance(result, (tuple, list)):
        for value in result:
            yield from _tensors(value)
