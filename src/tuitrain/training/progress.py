"""How far a run is, and saving and restoring all that its future depends on."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import msgspec

from tuitrain.errors import RunError
from tuitrain.runs.records import Best
from tuitrain.text import plain
from tuitrain.training import checkpoint
from tuitrain.training.metrics import RunningMetrics
from tuitrain.training.setup import Setup


@dataclass
class TrainingProgress:
    """`epoch` counts whole epochs, `batch` mini-batches of the epoch begun; the sums are that epoch's.

    `lr` and `epochs` may differ from the configuration where the user changed them on the way; `drops` counts those
    of a plateau; `over` says why the run ended early.
    """

    lr: float
    epochs: int
    epoch: int = 0
    batch: int = 0
    step: int = 0
    samples: int = 0
    seconds: float = 0.0
    loss_sum: float = 0.0
    correct: int = 0
    seen: int = 0
    lowest: float | None = None
    since_lowest: int = 0
    drops: int = 0
    since_drop: int = 0
    best: Best | None = None
    over: str = ""

    @property
    def epochs_begun(self) -> int:
        """Epochs, with the one under way."""
        return self.epoch + (self.batch > 0)


def checkpoint_state(setup: Setup, progress: TrainingProgress, metrics: RunningMetrics) -> checkpoint.State:
    return {
        "model": setup.model.state_dict(),
        "optimizer": setup.optimizer.state_dict(),
        "scaler": setup.scaler.state_dict(),
        "rng": checkpoint.rng_state(setup.device),
        "window": metrics.state_dict(),
        "progress": msgspec.to_builtins(asdict(progress)),
    }


def restore_checkpoint(path: Path, setup: Setup, progress: TrainingProgress, metrics: RunningMetrics) -> None:
    """Raises RunError where the checkpoint is damaged or is another network's."""
    state = checkpoint.load(path)
    load_weights(setup, state, path)
    try:
        setup.optimizer.load_state_dict(state["optimizer"])
        if setup.scaler.is_enabled():
            setup.scaler.load_state_dict(state["scaler"])
        metrics.load_state_dict(state["window"])
        for name, value in state["progress"].items():
            setattr(progress, name, msgspec.convert(value, Best | None) if name == "best" else value)
        checkpoint.set_rng_state(state["rng"], setup.device)
    except (KeyError, ValueError, TypeError, RuntimeError, AttributeError, msgspec.ValidationError) as error:
        raise RunError(f"The checkpoint {path.name} does not fit this run: {plain(error, 120)}.") from None


def load_weights(setup: Setup, state: dict[str, Any], path: Path) -> None:
    """Raises RunError where these are another network's."""
    try:
        setup.model.load_state_dict(state["model"])
    except (KeyError, RuntimeError, TypeError, AttributeError):
        raise RunError(f"The checkpoint {path.name} holds another network's weights than this run's.") from None


def checkpoint_position(state: dict[str, Any], path: Path) -> tuple[int, int, int]:
    """Whole epochs, mini-batches of the one begun, and steps. Raises RunError where the checkpoint does not say."""
    try:
        epoch, batch, step = (msgspec.convert(state["progress"][name], int) for name in ("epoch", "batch", "step"))
    except (KeyError, TypeError, msgspec.ValidationError) as error:
        raise RunError(f"The checkpoint {path.name} does not say how far it is: {plain(error, 120)}.") from None
    return epoch, batch, step
