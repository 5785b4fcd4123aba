"""The run's own copies of the user's Python files: resuming, evaluating and exporting use the code that was trained.

A copy is one file. Modules that it imports from its folder are not copied.
"""

from collections.abc import Mapping
from pathlib import Path

from tuitrain.config.code import TRANSFORM, code_of, expanded, read_from_disk, sha256
from tuitrain.config.schema import Config
from tuitrain.config.values import flatten
from tuitrain.errors import DataError, RunError
from tuitrain.runs.files import read
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.records import CodeFile, RunInfo
from tuitrain.text import plain


def name_copies(config: Config, sources: Mapping[str, bytes]) -> dict[str, CodeFile]:
    """Return the record of each file in `sources` that a setting of `config` names, by absolute path."""
    named: dict[str, CodeFile] = {}
    for code in code_of(flatten(config)):
        if code.file in sources and code.file not in named:
            taken = {file.copy for file in named.values()}
            path = Path(code.file)
            choices = (f"{path.stem}{f'-{number}' if number else ''}{path.suffix}" for number in range(len(taken) + 1))
            name = next(name for name in choices if name not in taken)
            named[code.file] = CodeFile(code.value.rpartition(":")[0], name, sha256(sources[code.file]))
    return named


def copied_sources(folder: RunFolder) -> dict[str, bytes]:
    """Return the contents of the run's copies by the absolute path, on this machine, of the file that each was copied
    from. Raise RunError if a copy is missing or has changed."""
    found = {}
    for file in folder.info().code:
        if Path(file.copy).name != file.copy:
            raise RunError(f"run.json is damaged: {plain(file.copy, 80)} is not the name of a file.")
        content = read(folder.code / file.copy)
        if sha256(content) != file.sha256:
            raise RunError(
                f"code/{plain(file.copy, 80)} is not the code that the run was trained with: it has changed.",
                "Restore it, or start a new run.",
            )
        found[expanded(file.file)] = content
    return found


def changed_files(info: RunInfo) -> list[str]:
    """Return a sentence without a full stop for each of the user's files that differs from the run's copy."""
    notes = []
    for file in info.code:
        try:
            changed = sha256(read_from_disk(expanded(file.file), TRANSFORM)) != file.sha256
        except DataError:
            continue  # For example on another machine.
        if changed:
            notes.append(f"{plain(file.file)} has changed since the run began: the run uses its copy, code/{file.copy}")
    return notes
