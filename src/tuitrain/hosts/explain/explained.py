"""Requests for explanations of predictions, and the answers."""

from msgspec import Struct


class SmallPicture(Struct, frozen=True):
    """A picture with height * width * channels bytes."""

    height: int
    width: int
    channels: int
    pixels: bytes


class Source(Struct, frozen=True):
    """An image to explain: the file `path`, or the image `index` of `split`; with both, the image of the split that has
    this path."""

    split: str = "test"
    index: int | None = None
    path: str = ""


class Explained(Struct, frozen=True):
    """The explanation of why the network predicts the class `explained` for an image, with the `probability` that it
    gives this class. `true` is the label of the image, None if it is unknown.

    `picture` is the image as the network sees it, `heated` has the heat map over it, and `heat` is the heat alone.
    """

    name: str
    method: str
    true: int | None
    predicted: int
    explained: int
    probability: float
    picture: SmallPicture
    heated: SmallPicture
    heat: SmallPicture

    @property
    def is_cold(self) -> bool:
        """Whether no part of the image raises the logit of the class."""
        return not any(self.heat.pixels)


class Neighbour(Struct, frozen=True):
    """A training image that is similar to an explained one: its cosine similarity in the space of features, its label,
    the index in the split, and its path relative to the folder of the data set, or empty."""

    index: int
    file: str
    label: int
    similarity: float
    picture: SmallPicture
