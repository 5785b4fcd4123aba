"""A run that is trained beside others by one process; it stays an ordinary run in all else."""

import time
from collections.abc import Iterator

from torch import Tensor

from tuitrain.runs.control import Command
from tuitrain.training.control import ATTENTION
from tuitrain.training.data.shared import SharedSplit
from tuitrain.training.data.splits import moved
from tuitrain.training.loop import Loop
from tuitrain.training.run import Ending


class Member(Loop):
    """Takes its own steps in `turn`, or has a stack take them: `rows` and `count`."""

    _held: Command | None = None
    # The steps of the epoch that is begun.
    _under_way: Iterator[tuple[float, Tensor | None]] | None = None

    def begin(self) -> None:
        self._begin()

    @property
    def paused(self) -> bool:
        return self._held is not None

    @property
    def position(self) -> tuple[int, int]:
        """Epochs, and mini-batches of the one begun."""
        return self.at.epoch, self.at.batch

    @property
    def at_end(self) -> bool:
        """Whether it has no mini-batch left before an epoch's end."""
        return self._done or self.at.batch >= self.job.batches

    @property
    def kind(self) -> tuple[float, ...]:
        """Runs of one kind take the same steps from the same gradients."""
        optimizer, at = self.config.optimizer, self.at
        return at.lr, optimizer.weight_decay, optimizer.momentum, at.epochs, at.drops

    def turn(self) -> Ending | None:
        """Some steps, up to the next row at most, and the epoch's end where that is reached."""
        if not self.at_end:
            self._train_on()
        return self.end_epoch() if self.at_end else None

    def _train_on(self) -> None:
        if self._under_way is None:
            self.job.model.train()
            rest = self.job.order(self.at.epoch)[self.at.batch * self.config.data.batch_size :]
            self._under_way = self._steps(rest)
        self._start_clock()
        end = time.monotonic() + ATTENTION
        for rate, norms in self._under_way:
            if norms is not None:
                self._row(rate, norms)
            if norms is not None or time.monotonic() >= end:
                break
        self._stop_clock()

    def rows(self, end: int) -> Tensor:
        """Of the images that all share, those that come next in the epoch, up to its mini-batch `end`."""
        split, size = self.job.dataset.train, self.config.data.batch_size
        assert isinstance(split, SharedSplit)
        return split.rows[moved(self.job.order(self.at.epoch)[self.at.batch * size : end * size], split.rows.device)]

    def count(self) -> None:
        """A mini-batch's gradients are there, and the step comes."""
        self.at.batch += 1
        self._rate, _ = self._next()

    def phase(self, name: str) -> None:
        self._tell(phase=name)

    def row(self, norms: Tensor) -> None:
        self._row(self._rate, norms)

    def look(self) -> None:
        """Now and then, whether it is trained just now or not."""
        self._settle_if_there()
        if self._held is None:
            self._attend()
        else:
            self._tell()
            self._go_on_if_resumed(self._held)

    def _pause(self, command: Command) -> None:
        self._hold(command)
        self._held = command
        self._go_on_if_resumed(command)

    def _go_on_if_resumed(self, held: Command) -> None:
        if self._resumed():
            self._go_on(held)
            self._held = None

    def end_epoch(self) -> Ending | None:
        """And the run, after its last one."""
        self._settle()
        self._under_way = None
        if not self._done:
            self._leaving(self._end_epoch)
        if not self._done:
            return None
        self._finish()
        return "finished", self.at.over

    def start(self) -> None:
        self._start_clock()

    def stop(self) -> bool:
        """Whether its clock was running."""
        running = self._clock is not None
        self._stop_clock()
        return running
