"""The textbook training loop, to compare with."""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tuitrain.config.schema import Config
from tuitrain.runs.follower import Follower
from tuitrain.training import checkpoint
from tuitrain.training.data.splits import MemorySplit
from tuitrain.training.setup import Setup, prepare

Quick = Callable[..., Config]

Train = Callable[..., Follower]

# Steps per epoch: the 1,437 training digits minus a tenth for validation, in batches of 64.
STEPS = 21


def prepared(config: Config) -> Setup:
    return prepare(config, lambda *_: None)


def tensors(setup: Setup, split: object) -> tuple[Tensor, Tensor]:
    """Return all images of a split, normalized at once, and its labels."""
    assert isinstance(split, MemorySplit)
    normalization = setup.dataset.normalization
    mean, std = (torch.tensor(values).view(-1, 1, 1) for values in (normalization.mean, normalization.std))
    return (split.images.float() / normalization.white - mean) / std, split.labels


@dataclass
class Textbook:
    """The values of the textbook loop, one entry per step; `weights` are those at the end."""

    losses: list[float] = field(default_factory=list)
    correct: list[int] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    norms: list[float] = field(default_factory=list)
    weights: list[Tensor] = field(default_factory=list)

    def row(self, start: int, end: int) -> tuple[float, float]:
        """Return the mean loss and accuracy of the steps `start` to `end` - 1."""
        sizes = self.sizes[start:end]
        losses = self.losses[start:end]
        total = sum(loss * size for loss, size in zip(losses, sizes, strict=True))
        return total / sum(sizes), sum(self.correct[start:end]) / sum(sizes)


def network(seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Flatten(), nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 256), nn.ReLU(), nn.Linear(256, 10)
    )


def textbook(
    config: Config,
    optimizer: Callable[[list[nn.Parameter]], torch.optim.Optimizer],
    *,
    clip: float = 0.0,
    smoothing: float = 0.0,
    weight: Tensor | None = None,
    group: int = 1,
) -> Textbook:
    """Train with `group` mini-batches per step."""
    setup = prepared(config)
    images, labels = tensors(setup, setup.dataset.train)
    model = network(config.training.seed)
    parameters = list(model.parameters())
    update, result = optimizer(parameters), Textbook()
    for epoch in range(config.training.epochs):
        batches = torch.split(setup.epoch_order(epoch), config.data.images_per_batch)
        for start in range(0, len(batches), group):
            loss_sum, right, size = 0.0, 0, 0
            group_batches = batches[start : start + group]
            update.zero_grad()
            for rows in group_batches:
                logits = model(images[rows])
                loss = F.cross_entropy(logits, labels[rows], weight, label_smoothing=smoothing)
                torch.autograd.backward(loss / len(group_batches))
                loss_sum += loss.item() * len(rows)
                right += int((logits.argmax(1) == labels[rows]).sum())
                size += len(rows)
            norm = torch.cat([p.grad.flatten() for p in parameters if p.grad is not None]).norm().item()
            if clip:
                torch.nn.utils.clip_grad_norm_(parameters, clip)
            update.step()
            for value, column in ((loss_sum / size, result.losses), (norm, result.norms)):
                column.append(value)
            result.correct.append(right)
            result.sizes.append(size)
    result.weights = [parameter.detach() for parameter in parameters]
    return result


def saved_weights(run: Follower, which: str = "last") -> list[Tensor]:
    state = checkpoint.load(run.folder.checkpoints / f"{which}.safetensors")
    return list(state["model"].values())


def same(left: list[Tensor], right: list[Tensor]) -> bool:
    return len(left) == len(right) and all(torch.equal(a, b) for a, b in zip(left, right, strict=True))


OVERFITS = ("optimizer.lr=0.02", "model.hidden=[256]", "data.validation=0.3")
