"""Prune unpromising runs of a sweep by the median rule of Optuna's MedianPruner.

The rule reads the metrics files of the runs instead of Optuna's storage, so it also applies to grids and to all seeds.
"""

import math
from statistics import median

from tuitrain.runs.control import Command, Inbox
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.follower import Follower
from tuitrain.runs.sweeps.index import SweepIndex

# Pruning needs this many finished runs for the median, and this many epochs of the run itself.
MIN_RUNS, MIN_EPOCHS = 5, 2


class FinishedLosses:
    """The validation losses of the finished runs of a sweep, by epoch."""

    def __init__(self, index: SweepIndex) -> None:
        self._index = index
        self._losses: dict[str, dict[int, float]] = {}

    def at(self, epoch: int) -> list[float]:
        """Return the validation losses at `epoch` of all finished runs that reached it."""
        for outcome in self._index.refresh():
            run = outcome.run
            if outcome.status == "finished" and run is not None and run.id not in self._losses:
                self._losses[run.id] = validation_losses(run)
        return [losses[epoch] for losses in self._losses.values() if epoch in losses]


def validation_losses(folder: RunFolder) -> dict[int, float]:
    """Return the finite validation losses of a run by epoch."""
    follower = Follower(folder)
    follower.read_all()
    return _followed_losses(follower)


def _followed_losses(follower: Follower) -> dict[int, float]:
    curve = follower.evaluations["validation"]
    return {
        round(epoch): loss for epoch, loss in zip(curve["epoch"], curve["loss"], strict=True) if math.isfinite(loss)
    }


def prune_reason(own: dict[int, float], finished: FinishedLosses) -> str:
    """Return why a run with the losses `own` should be pruned, or an empty string if it should continue."""
    epoch = max(own, default=0)
    if epoch < MIN_EPOCHS:
        return ""
    others = finished.at(epoch)
    if len(others) < MIN_RUNS or min(own.values()) <= median(others):
        return ""
    return (
        f"Pruned after epoch {epoch}: its best validation loss, {min(own.values()):.4f}, is above the median of"
        f" {len(others)} finished runs, {median(others):.4f}."
    )


class PruningInbox(Inbox):
    """A command inbox that adds a stop command when the run should be pruned; the loop reads it after every epoch."""

    def __init__(self, folder: RunFolder, finished: FinishedLosses) -> None:
        super().__init__(folder)
        self._follower, self._finished, self._epochs = Follower(folder), finished, 0

    def new(self) -> list[Command]:
        self._follower.poll()
        own = _followed_losses(self._follower)
        if len(own) > self._epochs and self._follower.state.active:
            self._epochs = len(own)
            reason = prune_reason(own, self._finished)
            # After its last epoch a run ends by itself.
            if reason and max(own) < self._follower.state.epochs:
                self.put("stop", reason)
        return super().new()
