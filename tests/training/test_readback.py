"""Non-blocking readbacks, with a simulated device; test_cuda.py uses a real one."""

from collections.abc import Callable
from types import SimpleNamespace

import pytest
from torch import Tensor

from tuitrain.config.schema import Config
from tuitrain.runs.follower import Follower
from tuitrain.training import loop, metrics, readback
from tuitrain.training.readback import PendingRow, QueueLimiter, Readback

Quick = Callable[..., Config]
Train = Callable[..., Follower]


class SlowReadback(Readback):
    """A readback that is ready after five queries."""

    def __init__(self, *tensors: Tensor) -> None:
        super().__init__(*tensors)
        self.queries = 0

    @property
    def ready(self) -> bool:
        self.queries += 1
        return self.queries > 5


class NoLimiter:
    """A limiter that never waits; with one, the loop writes rows when they are ready."""

    def step(self) -> None: ...


@pytest.mark.parametrize("every", [1, 3, 1000])
def test_delayed_rows_are_equal(train: Train, monkeypatch: pytest.MonkeyPatch, every: int) -> None:
    settings = ("training.epochs=2", f"training.log_every={every}")
    expected = train(*settings)
    monkeypatch.setattr(metrics, "Readback", SlowReadback)
    delayed = train(*settings)
    for name in ("loss", "accuracy", "lr", "grad_norm"):
        assert delayed.train.columns[name] == expected.train.columns[name]
    assert delayed.train.step == expected.train.step
    assert delayed.state.train == expected.state.train
    assert (delayed.state.status, delayed.state.step) == ("finished", expected.state.step)


def test_a_row_is_written_as_soon_as_it_is_ready(train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next row may come minutes later."""
    delays: list[int] = []
    write_row = loop.Loop._write_row

    def recorded(self: loop.Loop, row: PendingRow) -> None:
        delays.append(self.progress.step - row.step)
        write_row(self, row)

    monkeypatch.setattr(metrics, "Readback", SlowReadback)
    monkeypatch.setattr(loop, "queue_limiter", lambda _: NoLimiter())
    monkeypatch.setattr(loop.Loop, "_write_row", recorded)
    train("training.epochs=2", "training.log_every=10")
    # Of 21 steps per epoch: four steps later, or at the end of the epoch, which waits for both rows.
    assert delays == [4, 1, 0, 4, 2, 0]


def test_a_delayed_nan_names_its_own_step(train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = ("optimizer.name=sgd", "optimizer.lr=1e20", "training.log_every=2")
    expected = train(*settings)
    monkeypatch.setattr(metrics, "Readback", SlowReadback)
    delayed = train(*settings)
    assert delayed.state.status == expected.state.status == "failed"
    assert delayed.state.reason == expected.state.reason


class Event:
    def __init__(self) -> None:
        self.done = self.waited = False

    def query(self) -> bool:
        return self.done

    def synchronize(self) -> None:
        self.waited = self.done = True


def test_the_limiter_waits_for_events_older_than_50_ms(monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[Event] = []
    clock = [0.0]

    def record() -> Event:
        events.append(Event())
        return events[-1]

    monkeypatch.setattr(readback, "record_event", record)
    monkeypatch.setattr(readback, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    limiter = QueueLimiter()
    for step in range(100):
        clock[0] = step * 0.001
        limiter.step()
        if step < 60 and len(events) > 2:
            events[-3].done = True
    # The device keeps up for 60 steps and then stalls; each event is then waited for once it is 50 ms old.
    assert not any(event.waited for event in events[:13])
    assert [index for index, event in enumerate(events) if event.waited] == list(range(13, 13 + len(events) - 13 - 12))
