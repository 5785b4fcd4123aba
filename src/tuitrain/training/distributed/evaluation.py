"""Evaluate a split on all ranks: each image once."""

from collections.abc import Callable

import torch

from tuitrain.runs.records import SplitName
from tuitrain.training.distributed.group import Group
from tuitrain.training.distributed.messages import Evaluate
from tuitrain.training.evaluation.evaluate import Part, Result, batch_size, combine, evaluate_rows
from tuitrain.training.setup import Setup

Heartbeat = Callable[[], None]


def evaluate_together(setup: Setup, group: Group, split: SplitName, heartbeat: Heartbeat) -> Result:
    """Return the result of rank 0's current weights on the whole split. Raises what `heartbeat` raises."""
    group.tell(Evaluate(split))
    group.copy_from_leader(list(setup.model.state_dict().values()))
    try:
        part = evaluate_part(setup, group, split, heartbeat)
    except BaseException:
        # The other ranks wait in `gather`.
        group.gather(None)
        raise
    parts: list[Part] = [other for other in group.gather(part) if other is not None]
    return combine(parts, len(setup.dataset.classes))


def evaluate_part(setup: Setup, group: Group, split: SplitName, heartbeat: Heartbeat) -> Part | None:
    """Return the predictions for this rank's part of the split, on the CPU; None if there are fewer batches than ranks.
    The batches are those of a single process, so that the results are too."""
    data = setup.dataset.test if split == "test" else setup.dataset.validation
    assert data is not None
    shape = setup.dataset.shape
    batches = torch.split(torch.arange(len(data)), batch_size(data, shape))
    start, end = (len(batches) * rank // group.size for rank in (group.rank, group.rank + 1))
    if start == end:
        return None
    rows, classes = torch.cat(batches[start:end]), len(setup.dataset.classes)
    part = evaluate_rows(setup.forward, data, rows, setup.normalize, shape, classes, setup.autocast, heartbeat)
    return Part(part.losses.cpu(), part.predicted.cpu(), part.probability.cpu(), part.labels.cpu(), part.rounded)
