"""How tuitrain recognizes the runs of a tool in a folder, and opens them. Listing runs imports no reader."""

from pathlib import Path
from typing import NamedTuple, Protocol

from tuitrain.runs.external.source import Source


class Listing(NamedTuple):
    """The names in a folder: its files, and its subfolders without links and hidden ones, both sorted. Formats add
    files to `undecided` that may become runs, or contain more of them, when they grow. `opened` are the files
    that they looked into, in all folders of a search."""

    path: Path
    files: list[str]
    folders: list[str]
    undecided: list[Path]
    opened: list[Path]


class Found(NamedTuple):
    """A run that a format found: its folder, its name if the folder contains several runs, what else the format needs
    to open it, and what other tools wrote into the folder."""

    path: Path
    name: str = ""
    key: str = ""
    beside: tuple[str, ...] = ()


class Format(Protocol):
    """The files that one tool writes. `title` describes them for people."""

    title: str

    def runs(self, listing: Listing) -> list[Found]:
        """Return the runs in this folder, not those in its subfolders. Raises OSError."""

    def parts(self, listing: Listing) -> list[str]:  # noqa: ARG002
        """Return the subfolders that belong to the runs of this folder, and contain no other runs."""
        return []

    def name(self, run: Found) -> str:  # noqa: ARG002
        """Return the name that the tool shows, or an empty string for the last part of the path."""
        return ""

    def files(self, run: Found) -> list[Path]:
        """Return the files and folders that change when the run does. Raises OSError."""

    def start_key(self, run: Found) -> str:
        """Return a sort key by start time: seconds since 1970 as text. Raises OSError."""

    def open(self, run: Found) -> Source: ...
