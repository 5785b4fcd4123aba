"""A split that has features in place of images."""

from torch import Tensor

from tuitrain.training.data.splits import MemorySplit, Split


class FeatureSplit(MemorySplit):
    """The features (N, D) of the images of `source`, which a frozen backbone computed."""

    def __init__(self, features: Tensor, source: Split) -> None:
        super().__init__(features, source.labels, source.files, source.fingerprint)
        self.source = source
