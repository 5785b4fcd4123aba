"""`tuitrain cache`: list and clear the cache of decoded images and features."""

import argparse
from datetime import UTC, datetime
from typing import Any

from tuitrain.analysis import units
from tuitrain.cli.output import print_json, print_message
from tuitrain.cli.table import write_table
from tuitrain.errors import ConfigError
from tuitrain.image_folder.pixel_files import PixelFile, cache_folder, pixel_files, remove, remove_remains
from tuitrain.text import counted, did_you_mean, plain


def run(options: argparse.Namespace) -> int:
    files = pixel_files()
    if options.action == "clear":
        return _clear(files, options.names, options.json)
    if options.json:
        print_json([_document(file) for file in files])
    elif files:
        rows = [[file.name, str(file.header.count), _content(file), units.size(file.size), units.ago(file.used),
                 plain(file.header.folder, 200)] for file in files]  # fmt: skip
        write_table([["name", "images", "content", "size", "used", "folder"], *rows], (1, 3))
        print_message(f"{units.size(sum(file.size for file in files))} in {plain(cache_folder())}")
    else:
        print_message(f"No decoded images or features in {plain(cache_folder())}.")
    return 0


def _clear(files: list[PixelFile], names: list[str], json: bool) -> int:
    """Remove the named files, or all files and the drafts of killed processes. Raises ConfigError for an unknown
    name."""
    by_name = {file.name: file for file in files}
    for name in names:
        if name not in by_name:
            hint = did_you_mean(name, by_name) or "See: tuitrain cache"
            raise ConfigError(f"The cache has no file {plain(name, 100)!r}.", hint)
    chosen = [by_name[name] for name in dict.fromkeys(names)] if names else files
    for file in chosen:
        remove(file.path)
    if not names:
        remove_remains()
    if json:
        print_json([_document(file) for file in chosen])
    else:
        print_message(f"Removed {counted(len(chosen), 'file')}, {units.size(sum(file.size for file in chosen))}.")
    return 0


def _content(file: PixelFile) -> str:
    """Return what the file has of each image, in words."""
    if file.header.network:
        return f"{file.header.shape[0]:,} features of {plain(file.header.network, 60)}"
    channels, height, width = file.header.shape
    return f"{width}x{height} {'grey' if channels == 1 else 'rgb'}"


def _document(file: PixelFile) -> dict[str, Any]:
    return {
        "name": file.name, "path": str(file.path), "folder": file.header.folder, "images": file.header.count,
        "shape": file.header.shape, "network": file.header.network, "bytes": file.size,
        "used": datetime.fromtimestamp(file.used, UTC).isoformat(),
    }  # fmt: skip
