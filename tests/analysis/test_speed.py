from collections.abc import Sequence
from pathlib import Path

import pytest

from tuitrain.analysis.speed import RECENT_ROWS, images_per_second, seconds_left
from tuitrain.config.schema import Config
from tuitrain.config.values import override
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.follower import Follower
from tuitrain.runs.records import State
from written_runs import add_row


def run(rows: Sequence[tuple[int, float, float]] = (), state: State | None = None, *settings: str) -> Follower:
    """`rows` are (step, seconds of training, time)."""
    follower = Follower(RunFolder(Path("nowhere")))
    follower.config = override(Config(), ["data.batch_size=100", *settings])
    follower.state = state or State(status="running", steps=100)
    for step, seconds, time in rows:
        add_row(follower.train, step, seconds=seconds, time=time)
    return follower


def test_nothing_is_known_of_a_run_that_has_just_begun() -> None:
    assert images_per_second(run()) is None
    assert seconds_left(run()) is None
    assert seconds_left(run([(10, 1.0, 1.0)])) is None


def test_the_state_is_used_without_rows() -> None:
    assert images_per_second(run(state=State(samples_per_second=500.0))) == 500.0


def test_steps_times_batch_size_over_training_time() -> None:
    assert images_per_second(run([(10, 1.0, 5.0), (30, 3.0, 11.0)])) == pytest.approx(1000)
    assert images_per_second(run([(10, 1.0, 5.0), (30, 3.0, 11.0)], None, "optimizer.accumulate=4")) == pytest.approx(
        4000
    )


def test_the_remaining_time_includes_evaluation() -> None:
    # 20 steps took 6 seconds by the clock; 70 steps are left.
    assert seconds_left(run([(10, 1.0, 5.0), (30, 3.0, 11.0)])) == pytest.approx(21)
    at_50 = State(status="running", steps=100, step=50)
    assert seconds_left(run([(10, 1.0, 5.0), (30, 3.0, 11.0)], at_50)) == pytest.approx(15)


def test_only_the_last_rows_count() -> None:
    slow = [(step, step * 10.0, step * 10.0) for step in range(1, 10)]
    fast = [(10 + step, 100 + step, 100.0 + step) for step in range(RECENT_ROWS + 5)]
    assert images_per_second(run([*slow, *fast])) == pytest.approx(100)
    assert seconds_left(run([*slow, *fast])) == pytest.approx(100 - fast[-1][0])


def test_the_speed_is_that_of_exactly_the_last_rows() -> None:
    rows = [(0, 0.0, 0.0), *((step, 9.0 + step, 9.0 + step) for step in range(1, RECENT_ROWS + 2))]
    assert images_per_second(run(rows)) == pytest.approx(100)
    assert images_per_second(run(rows[:-1])) == pytest.approx(100 * RECENT_ROWS / (RECENT_ROWS + 9))


def test_a_run_at_its_end_has_nothing_left() -> None:
    assert seconds_left(run([(50, 1.0, 1.0), (100, 2.0, 2.0)])) == 0
    assert seconds_left(run([(50, 1.0, 1.0), (120, 2.0, 2.0)])) == 0


@pytest.mark.parametrize("rows", [[(1, 2.0, 2.0), (2, 2.0, 2.0)], [(1, 2.0, 2.0), (2, 1.0, 1.0)]])
def test_a_stopped_or_reversed_clock_gives_no_speed(rows: list[tuple[int, float, float]]) -> None:
    assert images_per_second(run(rows)) is None
    assert seconds_left(run(rows)) is None
    assert seconds_left(run([(1, 1.0, 1.0), (2, 2.0, 2.0)], State(status="running"))) is None


def test_the_largest_numbers() -> None:
    most = State(status="running", steps=2**53)
    largest = run([(1, 0.0, 0.0), (2**53, 5e-324, 1e308)], most, "data.batch_size=9000000000000000000")
    assert images_per_second(largest) is not None
    assert seconds_left(largest) == 0
