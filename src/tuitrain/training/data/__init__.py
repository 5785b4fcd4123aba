"""Data sets: read, split, normalize, and provide batches to the loop."""

from tuitrain.training.data.augment import augmentation
from tuitrain.training.data.dataset import Dataset, Progress
from tuitrain.training.data.load import load
from tuitrain.training.data.splits import MemorySplit, Split, StreamedSplit
from tuitrain.training.data.user_transform import user_transform

__all__ = [
    "Dataset",
    "MemorySplit",
    "Progress",
    "Split",
    "StreamedSplit",
    "augmentation",
    "load",
    "user_transform",
]
