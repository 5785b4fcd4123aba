"""Ending runs of a sweep early that promise nothing: the median rule, as Optuna's MedianPruner has it.

Read off the runs themselves, which all processes see, so that it holds for grids and seeds, too.
"""

import math
from statistics import median

from tuitrain.runs.control import Command, Inbox
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.follower import Follower
from tuitrain.runs.sweeps.index import SweepIndex

# A median of fewer finished runs says nothing, and neither does a first epoch.
RUNS, EPOCHS = 5, 2


class FinishedLosses:
    """The validation losses of the sweep's finished runs, epoch by epoch."""

    def __init__(self, index: SweepIndex) -> None:
        self._index = index
        self._losses: dict[str, dict[int, float]] = {}

    def at(self, epoch: int) -> list[float]:
        """One loss for each finished run that had so many epochs."""
        for one in self._index.refresh():
            if one.status == "finished" and one.run is not None and one.run.id not in self._losses:
                self._losses[one.run.id] = validation_losses(one.run)
        return [known[epoch] for known in self._losses.values() if epoch in known]


def validation_losses(folder: RunFolder) -> dict[int, float]:
    """The validation loss after each epoch."""
    run = Follower(folder)
    while run.poll():
        pass
    return _losses(run)


def _losses(run: Follower) -> dict[int, float]:
    curve = run.evaluations["validation"]
    return {
        round(epoch): loss for epoch, loss in zip(curve["epoch"], curve["loss"], strict=True) if math.isfinite(loss)
    }


def prune_reason(own: dict[int, float], peers: FinishedLosses) -> str:
    """Why a run with these losses should end; empty where it should go on."""
    epoch = max(own, default=0)
    if epoch < EPOCHS:
        return ""
    others = peers.at(epoch)
    if len(others) < RUNS or min(own.values()) <= median(others):
        return ""
    return (
        f"Pruned after epoch {epoch}: its best validation loss was {min(own.values()):.4f}, the median of"
        f" {len(others)} other runs there {median(others):.4f}."
    )


class PruningInbox(Inbox):
    """Asks the loop to stop a hopeless run; the loop looks for commands after every epoch."""

    def __init__(self, folder: RunFolder, peers: FinishedLosses) -> None:
        super().__init__(folder)
        self._run, self._peers, self._epochs = Follower(folder), peers, 0

    def new(self) -> list[Command]:
        self._run.poll()
        own = _losses(self._run)
        if len(own) > self._epochs and self._run.state.active:
            self._epochs = len(own)
            reason = prune_reason(own, self._peers)
            # A run that is done needs no end.
            if reason and max(own) < self._run.state.epochs:
                self.put("stop", reason)
        return super().new()
