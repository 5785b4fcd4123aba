"""Export the network of a run, checked against the run itself."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tuitrain.config.code import DATASET, MODEL
from tuitrain.config.exports import NetworkFormat, Values
from tuitrain.errors import RunError, TrustError
from tuitrain.hosts.export_files import Files, check_free, move_into_place, nearest_folder
from tuitrain.hosts.log_capture import LogCapture
from tuitrain.hosts.trust import evaluation_code
from tuitrain.output_file import not_written
from tuitrain.runs.folder import RunFolder
from tuitrain.text import plain


class Options(NamedTuple):
    """The `checkpoint` to export, last or best, and the `values` of the network's input. `force` replaces files, and
    `trust` allows the code of the run."""

    checkpoint: str
    values: Values
    force: bool
    trust: bool


def suffix(format: str) -> str:
    return ".pt2" if format == "torch-export" else f".{format}"


def export(folder: RunFolder, format: NetworkFormat, files: Files, options: Options) -> tuple[list[Path], str]:
    """Write and check the files of an export, and put them in place only then; return them, and a sentence about the
    check. Raise TuitrainError if that fails."""
    if folder.read_only:
        raise RunError(f"{plain(folder.id)} was trained by another tool and has no weights.", "Export it as csv.")
    if format == "safetensors" and options.values != "normalized":
        raise RunError("safetensors contains the weights alone, whose input is normalized.", "Leave out --input.")
    try:
        parent = nearest_folder(files.folder)
        with tempfile.TemporaryDirectory(dir=parent, prefix=f".{files.network[:100]}.") as drafts:
            with _code(folder, format, trust=options.trust) as (network_refused, data_refused), LogCapture():
                from tuitrain.training.export import onnx_file
                from tuitrain.training.export.description import describe
                from tuitrain.training.export.trained import load
                from tuitrain.training.export.write import Request, write

                if format == "onnx":
                    onnx_file.check_packages()
                trained = load(folder, options.checkpoint)
                description = describe(trained, options.values)
                check_free(files, force=options.force, description=description.to_json())
                request = Request(
                    format, Path(drafts), files.network, files.description, files.card, files.whole,
                    network_refused, data_refused,
                )  # fmt: skip
                sentence = write(trained, description, request)
            others = tuple(file.name for file in Path(drafts).iterdir() if file.name not in files)
            check_free(files, force=options.force, description=description.to_json(), others=others)
            return move_into_place(Path(drafts), files), sentence
    except OSError as error:
        path = files.folder if files.whole else files.folder / files.network
        raise not_written(path, error) from None


@contextmanager
def _code(folder: RunFolder, format: NetworkFormat, *, trust: bool) -> Iterator[tuple[str, str]]:
    """Use the run's copies of the user's files in this thread, and yield the reasons why its code for the network and
    for the data must not run, or empty strings. Raise TrustError and RunError if the format needs the network's."""
    network_refused = _refusal(folder, MODEL, trust=trust)
    data_refused = network_refused or _refusal(folder, DATASET, trust=trust)
    if network_refused and format == "safetensors":
        yield network_refused, data_refused
        return
    with evaluation_code(folder, trust=trust, keys=[MODEL]):
        yield "", data_refused


def _refusal(folder: RunFolder, key: str, *, trust: bool) -> str:
    try:
        with evaluation_code(folder, trust=trust, keys=[key]):
            return ""
    except (TrustError, RunError) as error:
        return error.message
