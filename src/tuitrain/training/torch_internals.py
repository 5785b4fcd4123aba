"""The private parts of torch that tuitrain uses, each with the reason; tests/training/test_torch_internals.py fails
when a release of torch changes one."""

import importlib.util
import inspect
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import nn, optim
from torch.utils._python_dispatch import TorchDispatchMode as TorchDispatchMode

# The update kernels that the fused optimizers call. `Optimizer.step` gathers weights, gradients and state before each
# call, which takes as long as the arithmetic of a small network. None in a torch without them: optim/fused.py then
# calls `Optimizer.step`.
fused_adam: Any = getattr(torch, "_fused_adam_", None)
fused_adamw: Any = getattr(torch, "_fused_adamw_", None)
fused_sgd: Any = getattr(torch, "_fused_sgd_", None)

# Compute the norms of many tensors by one call, without the overhead of `nn.utils.get_total_norm`.
foreach_norm: Any = torch._foreach_norm

# ATen operators without a Python wrapper: `aten.sigmoid_backward`, `aten.nll_loss_forward` and others. They give
# autograd's gradients without autograd's cost per operation.
aten = torch.ops.aten
log_softmax_backward = aten._log_softmax_backward_data

# The common base classes of batch normalization and of convolutions in one, two and three dimensions.
BatchNorm = nn.modules.batchnorm._BatchNorm
Convolution = nn.modules.conv._ConvNd


@cache
def jpeg_decoder() -> Callable[[torch.Tensor, int], torch.Tensor] | None:
    """Return the operator of `torchvision.io.decode_jpeg`, called with the bytes of a file and a color mode; None if it
    is missing. Importing torchvision would take as long as importing torch."""
    package = importlib.util.find_spec("torchvision")
    for folder in (package.submodule_search_locations or ()) if package else ():
        for library in sorted(Path(folder).glob("image*.so")):
            try:
                torch.ops.load_library(library)  # type: ignore[no-untyped-call]
                return torch.ops.image.decode_jpeg
            except (OSError, AttributeError, RuntimeError):
                continue
    return None


def silence_capturable_warning(optimizer: optim.Optimizer) -> None:
    """Let a capturable optimizer take eager steps without a warning: smaller last batches are never captured."""
    optimizer._warned_capturable_if_run_uncaptured = True


def _skip_dynamo(function: Any) -> None:
    """Fill the cache of `torch._disable_dynamo`, so that a decorated function calls the function it wraps."""
    wrapped = getattr(function, "__wrapped__", None)
    if inspect.isfunction(function) and inspect.isfunction(wrapped):
        vars(wrapped).setdefault("__dynamo_disable", wrapped)


for _method in list(vars(optim.Optimizer).values()):
    _skip_dynamo(_method)


@cache
def without_dynamo(optimizer_class: Any) -> Callable[..., optim.Optimizer]:
    """Return a subclass of a torch optimizer that never imports torch's compiler; its steps are bit-identical.

    torch's optimizers import `torch._dynamo` when first used, only to exclude themselves from compilation: 900 modules,
    which take longer than importing torch. A torch that is built differently imports the compiler, nothing worse.
    """
    step = inspect.unwrap(optimizer_class.step)
    for function in list(vars(sys.modules[optimizer_class.__module__]).values()):
        _skip_dynamo(function)

    def eager_step(self: optim.Optimizer, closure: Any = None) -> Any:
        with torch.no_grad():
            return step(self, closure)

    members = {"step": eager_step, "__doc__": optimizer_class.__doc__}
    subclass: Callable[..., optim.Optimizer] = type(optimizer_class.__name__, (optimizer_class,), members)
    return subclass


def fake_tensors() -> AbstractContextManager[object]:
    """Return a context in which tensors have a shape, a type and a device, but no memory."""
    from torch._subclasses.fake_tensor import FakeTensorMode

    return FakeTensorMode(allow_non_fake_inputs=True)
