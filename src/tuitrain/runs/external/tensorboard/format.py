"""Folders of TensorBoard event files."""

from pathlib import Path

from tuitrain.runs.external.format import Format, Found, Listing
from tuitrain.runs.external.source import Source
from tuitrain.runs.external.tensorboard.layout import MARK, event_files, part


class EventFormat(Format):
    """Each folder with event files is a run; some of its subfolders are its splits."""

    title = "TensorBoard event files"

    def runs(self, listing: Listing) -> list[Found]:
        found = _has_events(listing.files) or self.parts(listing)
        return [Found(listing.path)] if found else []

    def parts(self, listing: Listing) -> list[str]:
        beside = _has_events(listing.files)
        return [
            name
            for name in listing.folders
            if part(name, beside_files=beside) is not None and event_files(listing.path / name)
        ]

    def files(self, run: Found) -> list[Path]:
        folders = [run.path, *(path for path in run.path.iterdir() if path.is_dir() and not path.is_symlink())]
        return [*folders, *(file for folder in folders for file in event_files(folder))]

    def start_key(self, run: Found) -> str:
        """Return the time in the names of the event files."""
        return _start_key(run.path)

    def open(self, run: Found) -> Source:
        from tuitrain.runs.external.tensorboard.reader import Reader

        return Reader(run.path)


def _has_events(names: list[str]) -> bool:
    return any(MARK in name for name in names)


def _start_key(path: Path) -> str:
    names = [file.name.partition(".tfevents.")[2] or file.name for file in event_files(path)]
    if not names:
        names = [_start_key(child) for child in path.iterdir() if child.is_dir() and not child.is_symlink()]
    return max(names, default="")


TENSORBOARD = EventFormat()
