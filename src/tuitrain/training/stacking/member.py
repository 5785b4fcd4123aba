"""A run that is trained beside others by one process; it stays an ordinary run in all else."""

import time
from collections.abc import Iterator

from torch import Tensor

from tuitrain.runs.control import Command
from tuitrain.training.control import POLL_INTERVAL
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
        self._start()

    @property
    def paused(self) -> bool:
        return self._held is not None

    @property
    def position(self) -> tuple[int, int]:
        """Epochs, and mini-batches of the one begun."""
        return self.progress.epoch, self.progress.batch

    @property
    def at_end(self) -> bool:
        """Whether it has no mini-batch left before an epoch's end."""
        return self._done or self.progress.batch >= self.setup.batches_per_epoch

    @property
    def kind(self) -> tuple[float, ...]:
        """Runs of one kind take the same steps from the same gradients."""
        optimizer, progress = self.config.optimizer, self.progress
        return progress.lr, optimizer.weight_decay, optimizer.momentum, progress.epochs, progress.drops

    def turn(self) -> Ending | None:
        """Some steps, up to the next row at most, and the epoch's end where that is reached."""
        if not self.at_end:
            self._train_on()
        return self.end_epoch() if self.at_end else None

    def _train_on(self) -> None:
        if self._under_way is None:
            self.setup.model.train()
            rest = self.setup.epoch_order(self.progress.epoch)[self.progress.batch * self.config.data.batch_size :]
            self._under_way = self._eager_steps(rest)
        self._start_clock()
        end = time.monotonic() + POLL_INTERVAL
        for rate, norms in self._under_way:
            if norms is not None:
                self._start_row(rate, norms)
            if norms is not None or time.monotonic() >= end:
                break
        self._stop_clock()

    def rows(self, end: int) -> Tensor:
        """Of the images that all share, those that come next in the epoch, up to its mini-batch `end`."""
        split, size = self.setup.dataset.train, self.config.data.batch_size
        assert isinstance(split, SharedSplit)
        return split.rows[
            moved(
                self.setup.epoch_order(self.progress.epoch)[self.progress.batch * size : end * size], split.rows.device
            )
        ]

    def count(self) -> None:
        """A mini-batch's gradients are there, and the step comes."""
        self.progress.batch += 1
        self._rate, _ = self._begin_step()

    def phase(self, name: str) -> None:
        self._update_state(phase=name)

    def row(self, norms: Tensor) -> None:
        self._start_row(self._rate, norms)

    def look(self) -> None:
        """Now and then, whether it is trained just now or not."""
        self._write_row_if_ready()
        if self._held is None:
            self._poll_commands()
        else:
            self._update_state()
            self._go_on_if_resumed(self._held)

    def _pause(self, command: Command) -> None:
        self._enter_pause(command)
        self._held = command
        self._go_on_if_resumed(command)

    def _go_on_if_resumed(self, held: Command) -> None:
        if self._poll_for_resume():
            self._leave_pause(held)
            self._held = None

    def end_epoch(self) -> Ending | None:
        """And the run, after its last one."""
        self._write_pending_row()
        self._under_way = None
        if not self._done:
            self._abortable(self._end_epoch)
        if not self._done:
            return None
        self._finish()
        return "finished", self.progress.over

    def start(self) -> None:
        self._start_clock()

    def stop(self) -> bool:
        """Whether its clock was running."""
        running = self._clock is not None
        self._stop_clock()
        return running
