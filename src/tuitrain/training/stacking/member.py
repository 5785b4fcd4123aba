"""One of several runs that a process trains at once."""

import time
from collections.abc import Iterator

from torch import Tensor

from tuitrain.runs.control import Command
from tuitrain.training.control import POLL_INTERVAL
from tuitrain.training.data.shared import SharedSplit
from tuitrain.training.data.splits import to_device
from tuitrain.training.loop import Loop
from tuitrain.training.run import Ending


class Member(Loop):
    """A loop that takes its own steps in `train_turn`, or lets a stack take them with `next_indices` and `begin_step`.
    Everything else, such as rows, evaluation, checkpoints and commands, is that of a run trained alone."""

    paused = False
    # The remaining steps of the current epoch.
    _steps: Iterator[Tensor | None] | None = None

    @property
    def position(self) -> tuple[int, int]:
        """The number of completed epochs, and of mini-batches in the current epoch."""
        return self.progress.epoch, self.progress.batch

    @property
    def epoch_complete(self) -> bool:
        """Whether no mini-batch of the current epoch is left."""
        return self._done or self.progress.batch >= self.setup.batches_per_epoch

    @property
    def step_key(self) -> tuple[float, ...]:
        """Equal for runs whose optimizers would take the same step from the same gradients."""
        optimizer, progress = self.config.optimizer, self.progress
        schedule = progress.epochs, progress.schedule_start, progress.schedule_end or 0, progress.drops
        return progress.lr, optimizer.weight_decay, optimizer.momentum, *schedule

    def train_turn(self) -> Ending | None:
        """Take steps until the next metrics row or poll is due, and end the epoch after its last step."""
        if not self.epoch_complete:
            self._take_steps()
        return self.end_epoch() if self.epoch_complete else None

    def _take_steps(self) -> None:
        if self._steps is None:
            self.setup.model.train()
            self._steps = self._eager_steps(self._remaining_order())
        self.start_clock()
        deadline = time.monotonic() + POLL_INTERVAL
        for norms in self._steps:
            if norms is not None:
                self.start_row(norms)
            if norms is not None or time.monotonic() >= deadline:
                break
        self.stop_clock()

    def next_indices(self, end: int) -> Tensor:
        """Return the indices into the shared images of the images up to mini-batch `end` of the epoch."""
        split = self.setup.dataset.train
        assert isinstance(split, SharedSplit)
        order = self._remaining_order()[: (end - self.progress.batch) * self.config.data.images_per_batch]
        return split.rows[to_device(order, split.rows.device)]

    def begin_step(self) -> bool:
        """Count a mini-batch and begin its step; return whether a row is due after it."""
        self.progress.batch += 1
        return self._begin_step()

    def poll(self) -> None:
        """Write a finished row, and apply commands; called regularly, also while the run is paused."""
        self._write_rows(wait=False)
        if self.paused:
            self.update_state()
            self.paused = not self._poll_for_resume()
        else:
            self._poll_commands()

    def _pause(self, command: Command) -> None:
        """Let the other runs train until `poll` finds a resume command."""
        self._enter_pause(command)
        self.paused = not self._poll_for_resume()

    def end_epoch(self) -> Ending | None:
        """End the epoch, and after the last epoch the run; return how the run ended, or None."""
        self._write_rows(wait=True)
        self._steps = None
        if not self._done:
            self._abortable(self._end_epoch)
        if not self._done:
            return None
        self._finish()
        return "finished", self.progress.over
