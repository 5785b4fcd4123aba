"""Describe the images found in a folder."""

from dataclasses import dataclass, field
from pathlib import Path

from tuitrain.image_folder.walk import Skipped


@dataclass
class ImageFolder:
    """The images found in a folder: `splits` holds the paths of each class, in the order of `classes`, and always has
    training.

    `sources` names the folder or file that defines a split; a split to be held out has none. `groups` maps the path of
    an image to its group, which must stay in one split. `skipped` counts the files that are not images. `notes` are
    sentences about guesses and skipped files.
    """

    root: Path
    classes: tuple[str, ...] = ()
    splits: dict[str, list[list[str]]] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)
    groups: dict[str, str] = field(default_factory=dict)
    skipped: Skipped = field(default_factory=Skipped)
    notes: list[str] = field(default_factory=list)
