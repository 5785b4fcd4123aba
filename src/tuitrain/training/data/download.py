"""Download torchvision's data sets without changing existing files."""

import http.client
import shutil
import socket
import tarfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

from tuitrain.config.data.datasets import data_folder, found_in
from tuitrain.config.data.photo_datasets import PHOTO_DATASETS
from tuitrain.errors import DataError
from tuitrain.text import plain
from tuitrain.training.data.dataset import Progress, Ticker

_TIMEOUT = 30.0
_FAILURES = (OSError, RuntimeError, EOFError, http.client.HTTPException, tarfile.TarError, zlib.error)


def download_missing(
    name: str, source: Any, root: Path, files: Sequence[str], archives: Sequence[str], progress: Progress
) -> None:
    """Download the missing `files` to `root`; unpack `archives` that exist instead of downloading them. `source` is
    torchvision's class, or a function that calls it. Raises DataError if the download fails."""
    missing = [file for file in files if not (root / file).is_file()]
    if not missing:
        return
    made = not root.exists()
    try:
        root.mkdir(parents=True, exist_ok=True)
        # Download to a separate folder, so that an interrupted download leaves no file that looks complete.
        with TemporaryDirectory(dir=root, prefix=".download-") as folder, _reporting(name, progress):
            _copy(archives, root, Path(folder))
            source(folder, download=True)
            for file in missing:
                (root / file).parent.mkdir(parents=True, exist_ok=True)
                (Path(folder) / file).replace(root / file)
    except _FAILURES as error:
        if made and root.is_dir() and not any(root.iterdir()):
            root.rmdir()
        raise DataError(
            f"{name} is not in {plain((root / missing[0]).parent)} and could not be downloaded ({_reason(error)}).",
            f"Copy {', '.join(Path(file).name for file in missing)} there, or set data.dir to the folder"
            f" that holds {Path(missing[0]).parent}.",
        ) from error


def download_folder(name: str, dir: str | None, progress: Progress) -> None:
    """Download a data set of photos to the folder `dir`, unless it is there already. Raises DataError if the download
    fails."""
    facts = PHOTO_DATASETS[name]
    if found_in(dir, facts.folder):
        return
    root = data_folder(dir)
    made = not root.exists()
    try:
        root.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=root, prefix=".download-") as folder, _reporting(name, progress):
            _fetch(name, folder)
            (Path(folder) / facts.folder).replace(root / facts.folder)
    except _FAILURES as error:
        if made and root.is_dir() and not any(root.iterdir()):
            root.rmdir()
        raise DataError(
            f"{name} is not in {plain(root)} and could not be downloaded ({_reason(error)}).",
            f"Copy its folder {facts.folder} there, or set data.dir to the folder that holds it: {facts.page}",
        ) from error


def _fetch(name: str, folder: str) -> None:
    """Let torchvision download and unpack all splits of a data set of photos."""
    from torchvision import datasets

    kind = PHOTO_DATASETS[name].kind
    source = getattr(datasets, kind)
    if kind == "Imagenette":
        source(folder, size={"160": "160px", "320": "320px"}.get(name.rpartition("-")[2], "full"), download=True)
    elif kind == "GTSRB":
        for split in ("train", "test"):
            source(folder, split=split, download=True)
    else:
        source(folder, download=True)


def _copy(files: Sequence[str], source: Path, target: Path) -> None:
    for file in files:
        if (source / file).is_file():
            (target / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / file, target / file)


def _reason(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    last = lines[-1] if lines else type(error).__name__
    return plain(last.removeprefix("<urlopen error ").removesuffix(">"), 120)


@contextmanager
def _reporting(name: str, progress: Progress) -> Iterator[None]:
    """Send torchvision's progress to `progress` instead of stderr, and time out if a server does not answer."""
    from torchvision.datasets import utils

    bar, timeout = utils.tqdm, socket.getdefaulttimeout()
    utils.tqdm = partial(_Bar, name, progress)
    socket.setdefaulttimeout(_TIMEOUT)
    progress(f"downloading {name}", None)
    try:
        yield
    finally:
        utils.tqdm = bar
        socket.setdefaulttimeout(timeout)


class _Bar(Ticker):
    """The part of tqdm that torchvision uses."""

    def __init__(self, name: str, progress: Progress, total: int | None = None, **_: object) -> None:
        super().__init__(progress, total, lambda done: f"downloading {name}: {done / 1e6:.1f} MB")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None
