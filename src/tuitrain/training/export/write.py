"""Write an export and check it: the network or its weights, a description, and a model card."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from torch import Tensor

from tuitrain.errors import RunError, TuitrainError
from tuitrain.training.export import onnx_file, program, weights
from tuitrain.training.export.card import card
from tuitrain.training.export.check import compare
from tuitrain.training.export.description import Description
from tuitrain.training.export.sample import sample_images
from tuitrain.training.export.trained import Trained
from tuitrain.training.user_code import FAILURES
from tuitrain.training.user_code import describe as describe_error


class Request(NamedTuple):
    """What to write into the folder `drafts`: a file `name`, and beside it the `description` and, unless it is
    empty, the `card`. With `folder`, timm's networks get the files that timm needs. `network_refused` and
    `data_refused` are the reasons why the user's code for them must not run; empty: it may."""

    format: str
    drafts: Path
    name: str
    description: str
    card: str
    folder: bool
    network_refused: str = ""
    data_refused: str = ""


def write(trained: Trained, description: Description, request: Request) -> str:
    """Write and check the export; return a sentence about the check. Raises RunError, ConfigError and OSError."""
    path = request.drafts / request.name
    content = description.to_json()
    (request.drafts / request.description).write_bytes(content)
    if request.card:
        page = card(trained, description, request.format, request.name, folder=request.folder)
        (request.drafts / request.card).write_bytes(page)
    values = description.input.values
    if request.format == "safetensors":
        return _write_weights(trained, description, request, path)
    captured = program.capture(program.with_input(trained, values), description.input)
    if request.format == "onnx":
        about = {"description": content.decode(), "input_values": values}
        onnx_file.save(captured, description, trained.metadata | about, path)
        return _checked(trained, description, request, lambda: onnx_file.load(path))
    program.save(captured, path, content)
    return _checked(trained, description, request, lambda: program.load(path))


def _write_weights(trained: Trained, description: Description, request: Request, path: Path) -> str:
    weights.save(trained, path)
    tensors = weights.check_tensors(trained, path)
    if refused := request.network_refused or _failure(trained):
        return f"checked that all {tensors} equal those of the run; the network was not run: {refused}"
    if request.folder and weights.is_timm(trained):
        (request.drafts / "config.json").write_bytes(weights.timm_config(trained, description))
        return _checked(trained, description, request, lambda: weights.open_with_timm(request.drafts))
    return _checked(trained, description, request, lambda: weights.load(trained, path))


def _failure(trained: Trained) -> str:
    """Return why the network cannot be built, which its weights do not need, or an empty string."""
    try:
        trained.network  # noqa: B018
    except TuitrainError as error:
        return error.message
    return ""


def _checked(
    trained: Trained, description: Description, request: Request, load: Callable[[], Callable[[Tensor], Tensor]]
) -> str:
    sample = sample_images(trained, request.data_refused)
    try:
        return str(compare(trained, sample, load(), description.input.values))
    except TuitrainError:
        raise
    except FAILURES as error:
        raise RunError(
            f"The exported network cannot be run: {describe_error(error)}.", "Nothing was written."
        ) from error
