"""What the comparison of all images of a run finds."""

from msgspec import Struct

from tuitrain.analysis import units
from tuitrain.text import plain

# With good features, nearly all labels that similar images contradict are also likely wrong. The difference is 3 % of
# the digits' labels if 5 % of them are replaced, and at least 20 % of those of photos with weak features.
WEAK = 0.1


class Image(Struct, frozen=True):
    """An image of a data set: its split, its index there, its path relative to the folder of the data set or empty, and
    its label."""

    split: str
    index: int
    file: str
    label: int

    @property
    def name(self) -> str:
        """The path or the index, safe to show."""
        return plain(self.file, 200) or str(self.index)

    @property
    def key(self) -> str:
        """A name that no other image of the data set has: the path, or the split and the index."""
        return self.file or f"{self.split} {self.index}"


class Suspect(Struct, frozen=True):
    """An image, the most probable other class `suggested`, the `probability` of its label, the `margin` between both
    probabilities, and whether the label is likely `wrong`."""

    image: Image
    suggested: int
    probability: float
    margin: float
    wrong: bool


class Pair(Struct, frozen=True):
    """Two images of which the second is a copy of the first, to the last pixel if it is `exact`."""

    first: Image
    second: Image
    exact: bool
    similarity: float


class Report(Struct, frozen=True):
    """The images of all splits, those with the most doubtful labels first, and the pairs of duplicates."""

    classes: tuple[str, ...]
    suspects: tuple[Suspect, ...]
    pairs: tuple[Pair, ...]

    @property
    def warning(self) -> str:
        """A warning that the network's features are too weak to tell wrong labels from hard images, or empty."""
        images = max(1, len(self.suspects))
        contradicted = sum(each.margin < 0 for each in self.suspects) / images
        if contradicted - sum(each.wrong for each in self.suspects) / images < WEAK:
            return ""
        return f"many may be hard images: similar ones contradict {units.percent(contradicted)} of all labels"
