"""What is found in a folder of images."""

from dataclasses import dataclass, field
from pathlib import Path

from tuitrain.image_folder.walk import Skipped


@dataclass
class ImageFolder:
    """`splits` holds the paths of the images of each class, in the order of `classes`; it always has training.
    `sources` says where the images of a split are, if they are apart. `groups` gives the group of images that must stay
    in one split, by path. `skipped` counts the files that are not images. `notes` are sentences about what was guessed
    or skipped."""

    root: Path
    classes: tuple[str, ...] = ()
    splits: dict[str, list[list[str]]] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)
    groups: dict[str, str] = field(default_factory=dict)
    skipped: Skipped = field(default_factory=Skipped)
    notes: list[str] = field(default_factory=list)
