"""The messages by which rank 0 tells the other ranks what to do next."""

from typing import NamedTuple

from tuitrain.runs.records import SplitName
from tuitrain.training.progress import TrainingProgress


class Prepare(NamedTuple):
    """Load the data and build the network; rank 0 has done so, and downloaded and decoded what was missing."""


class TrainSteps(NamedTuple):
    """Train `steps` steps from `progress`. `begins` is True for the first steps of an epoch, or of the rest of an epoch
    after a resume."""

    progress: TrainingProgress
    steps: int
    begins: bool


class ComputeFeatures(NamedTuple):
    """Compute the features of a frozen backbone, or read them from the cache."""


class Evaluate(NamedTuple):
    """Take rank 0's weights and evaluate a part of the split."""

    split: SplitName


class SendState(NamedTuple):
    """Send what a checkpoint needs of this rank."""


class End(NamedTuple):
    """The run ends or leaves these processes."""


Message = Prepare | TrainSteps | ComputeFeatures | Evaluate | SendState | End
