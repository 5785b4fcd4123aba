"""Check the names of files that the user chooses for output."""

import os
from pathlib import Path

from tuitrain.errors import RunError
from tuitrain.text import plain

FORCE = "Choose another name, or replace it with --force."


def check_output_file(path: Path, *, force: bool) -> None:
    """Raise RunError if no file can be written under this name, or if it exists and `force` is not given."""
    try:
        if path.is_dir():
            raise RunError(f"{plain(path)} is a folder.", "Choose a file name.")
        if os.path.lexists(path) and not path.is_file():
            raise RunError(f"{plain(path)} is no ordinary file.", "Choose another name.")
        if path.exists() and not force:
            raise RunError(f"{plain(path)} already exists.", FORCE)
    except OSError as error:
        raise not_written(path, error) from None


def not_written(path: Path, error: OSError) -> RunError:
    return RunError(f"{plain(path)} cannot be written: {error.strerror or plain(error)}.")
