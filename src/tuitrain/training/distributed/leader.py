"""Rank 0: the training loop, which the other ranks follow."""

import time
from itertools import islice
from math import ceil

from tuitrain.errors import DataError, RunError
from tuitrain.training import checkpoint
from tuitrain.training.control import POLL_INTERVAL, EvaluationAborted
from tuitrain.training.distributed.group import LEAVING, Group
from tuitrain.training.distributed.messages import ComputeFeatures, SendState, TrainSteps
from tuitrain.training.distributed.state import state_of_rank, window_of_all
from tuitrain.training.fine_tuning.freeze import set_training_mode
from tuitrain.training.loop import Loop
from tuitrain.training.readback import queue_limiter


class Leader(Loop):
    """The loop of rank 0. All ranks train the same number of steps, a burst, between two polls for commands."""

    # The number of steps in the next burst.
    _burst = 1

    @property
    def group(self) -> Group:
        assert self.setup.group is not None
        return self.setup.group

    def restore(self) -> None:
        """Restore the run, and copy the network to the other ranks. Raises DataError if a rank has other training
        images, and RunError if it has another checkpoint."""
        super().restore()
        images, steps = zip(*self.group.gather((self.setup.dataset.train.fingerprint, self.progress.step)), strict=True)
        if len(set(steps)) > 1:
            # Network file systems may show a new file late.
            raise RunError("The nodes see different checkpoints of the run.", "Resume it again in a minute.")
        if len(set(images)) > 1:
            raise DataError(
                "The devices have different training images.",
                "Make sure that the files do not change, and that your code returns the same images on each call.",
            )
        # A user's code may have drawn other weights on the other ranks.
        self.group.copy_from_leader(list(self.setup.model.state_dict().values()))
        nodes = f" on {self.group.nodes} nodes" if self.group.nodes > 1 else ""
        self.writer.log(f"devices: {self.group.size}{nodes} share each batch of {self.config.data.batch_size:,} images")

    def _compute_features(self) -> None:
        self.group.tell(ComputeFeatures())
        super()._compute_features()

    def _heartbeat(self, doing: str = "") -> None:
        try:
            super()._heartbeat(doing)
        except EvaluationAborted:
            self.group.mark(LEAVING)
            raise

    def _train_epoch(self) -> None:
        set_training_mode(self.setup.model, self.config, frozen=self.setup.frozen)
        limiter, accumulate = queue_limiter(self.setup.device), self.config.optimizer.accumulate
        steps, begins = self._eager_steps(self._remaining_order()), True
        self.start_clock()
        while not self.progress.over:
            left = ceil((self.setup.batches_per_epoch - self.progress.batch) / accumulate)
            if not left:
                break
            burst, started = min(left, self._burst), time.monotonic()
            self.group.tell(TrainSteps(self.progress, burst, begins))
            begins = False
            for norms in islice(steps, burst):
                if norms is not None:
                    self.start_row(norms)
                if limiter is not None:
                    limiter.step()
                    self._write_rows(wait=False)
            # As many steps as fit between two polls, but at most twice as many: a few steps say little about the speed.
            fitting = burst * POLL_INTERVAL / max(time.monotonic() - started, 1e-6)
            self._burst = max(1, min(int(fitting), 2 * self._burst))
            self._poll_commands()
            self._resources.write_if_due(self.writer, self.progress, self._training_seconds())
        self._write_rows(wait=True)
        self.stop_clock()

    def checkpoint_state(self) -> checkpoint.State:
        self.group.tell(SendState())
        ranks = self.group.gather(state_of_rank(self.setup, self.metrics))
        return super().checkpoint_state() | {"window": window_of_all(ranks), "ranks": ranks}
