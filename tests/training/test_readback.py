"""What comes late from a GPU, with a device played by the test; test_cuda.py has the real one."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from tuitrain.config.schema import Config
from tuitrain.runs.follower import Follower
from tuitrain.training import loop, metrics
from tuitrain.training.readback import QueueLimiter, Readback

Quick = Callable[..., Config]
Train = Callable[..., Follower]


class Slow(Readback):
    """Not there before it has been asked so many times, or is waited for."""

    def __init__(self, *tensors: Tensor) -> None:
        super().__init__(*tensors)
        self.asked = 0

    @property
    def ready(self) -> bool:
        self.asked += 1
        return self.asked > 5


class Playing:
    """In the place of `QueueLimiter`: the device is one."""

    def step(self) -> None: ...


@pytest.mark.parametrize("every", [1, 3, 1000])
def test_rows_that_come_late_are_the_same_rows(train: Train, monkeypatch: pytest.MonkeyPatch, every: int) -> None:
    settings = ("training.epochs=2", f"training.log_every={every}")
    there = train(*settings)
    monkeypatch.setattr(metrics, "Readback", Slow)
    late = train(*settings)
    for name in ("loss", "accuracy", "lr", "grad_norm"):
        assert late.train.columns[name] == there.train.columns[name]
    assert late.train.step == there.train.step
    assert late.state.train == there.state.train
    assert (late.state.status, late.state.step) == ("finished", there.state.step)


def test_a_row_is_written_as_soon_as_it_is_there(train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    """And not with the next one, which may come minutes later."""
    written: list[int] = []
    settle = loop.Loop._write_pending_row

    def noted(self: loop.Loop) -> None:
        if self._pending_row is not None:
            written.append(self.progress.step - self._pending_row[0])
        settle(self)

    monkeypatch.setattr(metrics, "Readback", Slow)
    monkeypatch.setattr(loop, "queue_limiter", lambda _: Playing())
    monkeypatch.setattr(loop.Loop, "_write_pending_row", noted)
    train("training.epochs=2", "training.log_every=10")
    # Of 21 steps an epoch: four later, or with the row of the last step, which waits for its own.
    assert written == [4, 1, 0, 4, 2, 0]


def test_a_loss_that_is_late_and_no_number_ends_the_run_by_its_own_step(
    train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = ("optimizer.name=sgd", "optimizer.lr=1e20", "training.log_every=2")
    there = train(*settings)
    monkeypatch.setattr(metrics, "Readback", Slow)
    late = train(*settings)
    assert late.state.status == there.state.status == "failed"
    assert late.state.reason == there.state.reason


class Event:
    def __init__(self) -> None:
        self.done = self.waited = False

    def query(self) -> bool:
        return self.done

    def synchronize(self) -> None:
        self.waited = self.done = True


def test_the_host_is_a_moment_ahead_and_no_more() -> None:
    events: list[Event] = []
    clock = [0.0]

    def mark() -> torch.cuda.Event:
        events.append(Event())
        return events[-1]  # type: ignore[return-value]

    lead = QueueLimiter(mark, lambda: clock[0])
    for step in range(100):
        clock[0] = step * 0.001
        lead.step()
        if step < 60 and len(events) > 2:
            events[-3].done = True
    # While the device keeps up nobody waits for it; from then on whatever is older than a moment is waited for.
    assert not any(event.waited for event in events[:13])
    assert [place for place, event in enumerate(events) if event.waited] == list(range(13, 13 + len(events) - 13 - 12))
