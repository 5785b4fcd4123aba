"""Names of the files of an exported network, and moving them into place."""

from pathlib import Path
from typing import NamedTuple, Self

from tuitrain.errors import RunError
from tuitrain.output_file import FORCE, check_output_file
from tuitrain.text import plain

_SUFFIXES = (".onnx", ".pt2", ".safetensors")
# An existing file without this word is the user's own.
_MARK = b"tuitrain"


class Files(NamedTuple):
    """The files of an export in `folder`: `network`, `description` and, unless it is empty, `card`. `whole` means that
    the folder itself is exported."""

    folder: Path
    network: str
    description: str
    card: str
    whole: bool

    @classmethod
    def of(cls, path: Path, suffix: str, *, as_folder: bool, card: bool) -> Self:
        if as_folder:
            return cls(path, f"model{suffix}", "model.json", "README.md", True)
        stem = path.stem if path.suffix in _SUFFIXES else path.name
        return cls(path.parent, path.name, f"{stem}.json", f"{stem}.md" if card else "", False)


def check_free(files: Files, *, force: bool, description: bytes | None = None, others: tuple[str, ...] = ()) -> None:
    """Raise RunError if a file of the export exists and `force` is not given, or if it is not one that tuitrain wrote.
    The description may exist if it is equal, because exports in other formats have the same; None: it is not known yet.
    """
    if files.whole and files.folder.exists() and not files.folder.is_dir():
        raise RunError(f"{plain(files.folder)} is a file.", "Choose another folder.")
    for name in filter(None, (files.network, files.card, *others)):
        path = files.folder / name
        check_output_file(path, force=force)
        if name != files.network:
            _check_ours(path)
    path = files.folder / files.description
    if path.exists() and description is not None:
        if path.is_file() and path.read_bytes() == description:
            return
        _check_ours(path)
        if not force:
            raise RunError(f"{plain(path)} already exists, and describes another network.", FORCE)


def _check_ours(path: Path) -> None:
    if path.exists() and not (path.is_file() and _MARK in path.read_bytes()):
        raise RunError(f"{plain(path)} exists and is not from tuitrain, so it stays.", "Choose another name or folder.")


def nearest_folder(path: Path) -> Path:
    """Return the folder `path` or, if it does not exist, the nearest one above it. A draft there is on the same disk,
    and leaves no new folder behind if the export fails."""
    return next(folder for folder in (path, *path.absolute().parents) if folder.exists())


def move_into_place(drafts: Path, files: Files) -> list[Path]:
    """Move finished files to their folder; return their paths, the network first. Raises OSError."""
    files.folder.mkdir(parents=True, exist_ok=True)
    # The network comes last, so that it never lacks its description.
    names = sorted((file.name for file in drafts.iterdir()), key=lambda name: (name == files.network, name))
    for name in names:
        # safetensors makes its files readable for their owner only.
        (drafts / name).chmod(0o644)
        (drafts / name).replace(files.folder / name)
    return [files.folder / name for name in reversed(names)]
