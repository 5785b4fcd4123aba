"""Hold out the same fraction of every class."""

import torch
from torch import Tensor

from tuitrain.config.data.folds import Fold
from tuitrain.config.data.schema import Data
from tuitrain.image_folder.folds import deal, part
from tuitrain.image_folder.hold_out import hold_out_by_position


def stratified(labels: Tensor, fraction: float, seed: int) -> tuple[Tensor, Tensor]:
    """Return the rows to keep and the rows of `hold_out_by_position`, (n,) int64 on the CPU, ascending."""
    held = torch.zeros(len(labels), dtype=torch.bool)
    held[torch.tensor(hold_out_by_position(labels.tolist(), fraction, seed), dtype=torch.int64)] = True
    return torch.nonzero(~held).flatten(), torch.nonzero(held).flatten()


def split_rows(labels: Tensor, config: Data, seed: int) -> tuple[Tensor | None, Tensor | None]:
    """Return the rows of the training and the validation split of images with `labels` (N,), (n,) int64 on the CPU,
    ascending. None: all rows for training, and no validation split. Raises DataError if there are fewer images than
    folds."""
    labels = labels.cpu()
    kept = held = None
    if config.fold is not None:
        fold, names = Fold.parse(config.fold), list(map(str, range(len(labels))))
        is_held = torch.tensor(deal(labels.tolist(), names, fold.total, f"fold/{seed}")) == fold.number - 1
        kept, held = torch.nonzero(~is_held).flatten(), torch.nonzero(is_held).flatten()
    elif config.validation:
        kept, held = stratified(labels, config.validation, seed)
    if config.fraction < 1:
        kept = torch.arange(len(labels)) if kept is None else kept
        rows = part(labels[kept].tolist(), list(map(str, kept.tolist())), config.fraction, f"fraction/{seed}")
        kept = kept[torch.tensor(rows)]
    return kept, held
