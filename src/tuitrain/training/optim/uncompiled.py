"""torch's optimizers without torch's compiler.

They load `torch._dynamo` at their first use, only to tell it to leave them alone: 900 modules, and longer than loading
torch itself, though nothing is ever compiled.
"""

import inspect
import sys
from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import optim


def _leave_alone(function: Any) -> None:
    """Where torch's `_disable_dynamo` keeps what the compiler made of a function, stands the function itself."""
    inner = getattr(function, "__wrapped__", None)
    if inspect.isfunction(function) and inspect.isfunction(inner):
        vars(inner).setdefault("__dynamo_disable", inner)


for _function in list(vars(optim.Optimizer).values()):
    _leave_alone(_function)


@cache
def eager(kind: Any) -> Callable[..., optim.Optimizer]:
    """The optimizer class `kind`, with the same steps to the last bit.

    Where a release of torch is built otherwise, it is only as slow to start as it always was.
    """
    step = inspect.unwrap(kind.step)
    for function in list(vars(sys.modules[kind.__module__]).values()):
        _leave_alone(function)

    def eager_step(self: optim.Optimizer, closure: Any = None) -> Any:
        with torch.no_grad():
            return step(self, closure)

    made: Callable[..., optim.Optimizer] = type(kind.__name__, (kind,), {"step": eager_step, "__doc__": kind.__doc__})
    return made
