"""How far a run is, and saving and restoring all that its future depends on."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import msgspec

from tuitrain.errors import RunError
from tuitrain.runs.records import Best
from tuitrain.text import plain
from tuitrain.training import checkpoint
from tuitrain.training.metrics import Window
from tuitrain.training.setup import Job


@dataclass
class Progress:
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
    def begun(self) -> int:
        """Epochs, with the one under way."""
        return self.epoch + (self.batch > 0)


def snapshot(job: Job, at: Progress, window: Window) -> checkpoint.State:
    return {
        "model": job.model.state_dict(),
        "optimizer": job.optimizer.state_dict(),
        "scaler": job.scaler.state_dict(),
        "rng": checkpoint.random_state(job.device),
        "window": window.state(),
        "progress": msgspec.to_builtins(asdict(at)),
    }


def restore(path: Path, job: Job, at: Progress, window: Window) -> None:
    """Raises RunError where the checkpoint is damaged or is another network's."""
    state = checkpoint.load(path)
    load_weights(job, state, path)
    try:
        job.optimizer.load_state_dict(state["optimizer"])
        if job.scaler.is_enabled():
            job.scaler.load_state_dict(state["scaler"])
        window.restore(state["window"])
        for name, value in state["progress"].items():
            setattr(at, name, msgspec.convert(value, Best | None) if name == "best" else value)
        checkpoint.set_random_state(state["rng"], job.device)
    except (KeyError, ValueError, TypeError, RuntimeError, AttributeError, msgspec.ValidationError) as error:
        raise RunError(f"The checkpoint {path.name} does not fit this run: {plain(error, 120)}.") from None


def load_weights(job: Job, state: dict[str, Any], path: Path) -> None:
    """Raises RunError where these are another network's."""
    try:
        job.model.load_state_dict(state["model"])
    except (KeyError, RuntimeError, TypeError, AttributeError):
        raise RunError(f"The checkpoint {path.name} holds another network's weights than this run's.") from None


def reached(state: dict[str, Any], path: Path) -> tuple[int, int, int]:
    """Whole epochs, mini-batches of the one begun, and steps. Raises RunError where the checkpoint does not say."""
    try:
        epoch, batch, step = (msgspec.convert(state["progress"][name], int) for name in ("epoch", "batch", "step"))
    except (KeyError, TypeError, msgspec.ValidationError) as error:
        raise RunError(f"The checkpoint {path.name} does not say how far it is: {plain(error, 120)}.") from None
    return epoch, batch, step
