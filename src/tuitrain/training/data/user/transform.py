"""The user's own transform of a batch."""

from collections.abc import Callable
from typing import Any

from torch import Tensor

from tuitrain.config.code import TRANSFORM, without_folder
from tuitrain.errors import DataError, TrainingError
from tuitrain.text import plain
from tuitrain.training.data.augment import Transform
from tuitrain.training.user_code import explained, load_function


def user_transform(spec: str | None) -> Transform | None:
    """Return the function that `spec` (FILE.py:NAME) names, with a check of its results; None for None.

    Raises DataError if the function does not exist. The function raises DataError for a result that is no float
    tensor of the shape it was given, and TrainingError where the user's code raises.
    """
    if spec is None:
        return None
    function = load_function(spec, TRANSFORM)
    file, _, name = without_folder(spec).rpartition(":")
    return _checked(function, f"{plain(name)} of {plain(file)}")


def _checked(function: Callable[[Tensor], Any], name: str) -> Transform:
    def transform(images: Tensor) -> Tensor:
        # The function may change the batch in place, so remember its shape.
        shape, device = images.shape, images.device
        with explained(f"The transform {name}", TrainingError):
            result = function(images)
        if not isinstance(result, Tensor):
            given = f"a {type(result).__name__}"
        elif not result.is_floating_point() or result.shape != shape or result.device != device:
            given = f"{result.dtype} {tuple(result.shape)} on {result.device}"
        else:
            return result.to(images.dtype)
        wanted = f"torch.float32 {tuple(shape)} on {device}"
        raise DataError(f"The transform {name} returned {given}, but must return {wanted}, the shape it received.")

    return transform
