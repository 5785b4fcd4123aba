"""The ranks above 0, which compute what rank 0 tells them."""

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

from torch import Tensor

from tuitrain.runs.control import Inbox
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.records import RunInfo
from tuitrain.runs.rows import Row
from tuitrain.runs.writer import RunWriter
from tuitrain.training.distributed.evaluation import evaluate_part
from tuitrain.training.distributed.group import LEAVING, Group
from tuitrain.training.distributed.messages import ComputeFeatures, End, Evaluate, Message, SendState, TrainSteps
from tuitrain.training.distributed.state import state_of_rank
from tuitrain.training.epochs import log_replaced_images
from tuitrain.training.fine_tuning.features import compute_features
from tuitrain.training.fine_tuning.freeze import is_frozen, set_training_mode
from tuitrain.training.loop import Loop
from tuitrain.training.setup import Setup


class Left(Exception):
    """Rank 0 aborts what the ranks compute, because the run ends."""


class SilentWriter(RunWriter):
    """Writes nothing but the log: rank 0 writes the run."""

    def __init__(self, folder: RunFolder) -> None:
        self.folder, self.previous, self.resumed = folder, folder.state(), False
        self.state = self.previous

    def row(self, row: Row) -> None:
        pass

    def info(self, info: RunInfo) -> None:
        pass

    def update(self, *, now: bool = False, **changes: Any) -> None:
        pass

    def close(self) -> None:
        pass


class Follower(Loop):
    """The loop of another rank: call `restore`, then `follow`."""

    def __init__(self, setup: Setup, group: Group, folder: RunFolder) -> None:
        super().__init__(setup, SilentWriter(folder), Inbox(folder))
        self.group = group
        self._steps: Iterator[Tensor | None] = iter(())

    def restore(self) -> None:
        super().restore()
        self.group.gather((self.setup.dataset.train.fingerprint, self.progress.step))
        self.group.copy_from_leader(list(self.setup.model.state_dict().values()))

    def follow(self) -> None:
        """Do what rank 0 says until the run ends."""
        while not isinstance(message := self.group.hear(), End):
            self._do(message)

    def _do(self, message: Message) -> None:
        if isinstance(message, TrainSteps):
            self._train(message)
        elif isinstance(message, Evaluate):
            self._evaluate(message)
        elif isinstance(message, SendState):
            self.group.gather(state_of_rank(self.setup, self.metrics))
            log_replaced_images(self.setup.dataset.train, self.writer)
        elif isinstance(message, ComputeFeatures):
            self._unless_left(lambda: compute_features(self.setup, self._check_left))

    def _train(self, message: TrainSteps) -> None:
        # Update in place: the iterator of steps counts in this object.
        vars(self.progress).update(vars(message.progress))
        if message.begins:
            if self.setup.frozen and not is_frozen(self.config, self.progress.epoch):
                self.setup.unfreeze()
            set_training_mode(self.setup.model, self.config, frozen=self.setup.frozen)
            self._steps = self._eager_steps(self._remaining_order())
        for norms in islice(self._steps, message.steps):
            if norms is not None:
                self.metrics.start_readback(norms)

    def _end_step(self, inputs: Tensor | None) -> None:
        """Do nothing: rank 0 averages the weights and measures the layers."""

    def _evaluate(self, message: Evaluate) -> None:
        own = {name: value.clone() for name, value in self.setup.model.state_dict().items()}
        self.group.copy_from_leader(list(self.setup.model.state_dict().values()))
        part = self._unless_left(lambda: evaluate_part(self.setup, self.group, message.split, self._check_left))
        self.setup.model.load_state_dict(own)
        self.group.gather(part)

    def _check_left(self, doing: str = "") -> None:  # noqa: ARG002
        if self.group.marked(LEAVING):
            raise Left

    def _unless_left(self, compute: Callable[[], Any]) -> Any:
        """Return the result of `compute`, or None if rank 0 aborts it."""
        try:
            return compute()
        except Left:
            return None
