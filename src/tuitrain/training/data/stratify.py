"""Hold out the same fraction of every class."""

import torch
from torch import Tensor

from tuitrain.image_folder.hold_out import hold_out_by_position


def stratified(labels: Tensor, fraction: float, seed: int) -> tuple[Tensor, Tensor]:
    """Return the rows to keep and the rows of `hold_out_by_position`, (n,) int64 on the CPU, ascending."""
    held = torch.zeros(len(labels), dtype=torch.bool)
    held[torch.tensor(hold_out_by_position(labels.tolist(), fraction, seed), dtype=torch.int64)] = True
    return torch.nonzero(~held).flatten(), torch.nonzero(held).flatten()
