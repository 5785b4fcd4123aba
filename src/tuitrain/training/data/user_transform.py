"""The user's own transform of a batch."""

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import Tensor

from tuitrain.config.code import TRANSFORM_HINT, read_transform, transform_file
from tuitrain.errors import DataError, TrainingError
from tuitrain.text import plain
from tuitrain.training.data.augment import Transform


def user_transform(spec: str | None) -> Transform | None:
    """Return the function that `spec` (FILE.py:NAME) names, with a check of its results; None for None.

    Raises DataError if the function does not exist. The function raises DataError for a result that is no float
    tensor of the shape it was given, and TrainingError where the user's code raises.
    """
    if spec is None:
        return None
    file, colon, name = spec.rpartition(":")
    if not (file and colon and name.isidentifier()):
        raise DataError(f"data.transform '{plain(spec)}' is not of the form FILE.py:NAME.", TRANSFORM_HINT)
    module = _run(Path(transform_file(spec)))
    if name not in module:
        raise DataError(f"{plain(file)} has nothing called {plain(name)}.", TRANSFORM_HINT)
    function = module[name]
    if not callable(function):
        kind = type(function).__name__
        raise DataError(f"{plain(name)} in {plain(file)} is a {kind}, not a function.", TRANSFORM_HINT)
    return _checked(function, f"{plain(name)} of {plain(file)}")


def _run(path: Path) -> dict[str, Any]:
    """Run the file, which may import modules from its folder, and return its module. Compile it here, so that Python
    writes no cache next to it."""
    source = read_transform(str(path))
    module = ModuleType(f"tuitrain_transform_{path.stem}")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module  # Dataclasses look up their module there.
    folder = str(path.parent.absolute())
    if folder not in sys.path:
        sys.path.append(folder)  # At the end, so that its files hide no other module.
    try:
        exec(compile(source, path, "exec"), module.__dict__)
    except (Exception, SystemExit) as error:
        raise DataError(
            f"Running {plain(path)} for data.transform raised {_named(error)}.", "Correct it and start again."
        ) from error
    return module.__dict__


def _checked(function: Callable[[Tensor], Any], name: str) -> Transform:
    def transform(images: Tensor) -> Tensor:
        # The function may change the batch in place, so remember its shape.
        shape, device = images.shape, images.device
        try:
            result = function(images)
        except (Exception, SystemExit) as error:
            raise TrainingError(f"The transform {name} raised {_named(error)}.") from error
        if not isinstance(result, Tensor):
            given = f"a {type(result).__name__}"
        elif not result.is_floating_point() or result.shape != shape or result.device != device:
            given = f"{result.dtype} {tuple(result.shape)} on {result.device}"
        else:
            return result.to(images.dtype)
        wanted = f"torch.float32 {tuple(shape)} on {device}"
        raise DataError(f"The transform {name} returned {given}, but must return {wanted}, the shape it received.")

    return transform


def _named(error: BaseException) -> str:
    return plain(f"{type(error).__name__}: {error}" if str(error) else type(error).__name__, 300)
