import time
from collections.abc import Callable

import pytest

from tuitrain.analysis import units

NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("function", "value", "text"),
    [
        (units.percent, 0.9761, "97.61 %"),
        (units.percent, 1.0, "100.00 %"),
        (units.percent, NAN, "NaN"),
        (units.count, 136074, "136,074"),
        (units.count, 12.0, "12"),
        (units.duration, 41, "0:41"),
        (units.duration, 3725, "1:02:05"),
        (units.duration, 6.4, "6.4 s"),
        (units.duration, 9.96, "0:10"),
        (units.duration, 59.7, "1:00"),
        (units.duration, 90061, "1 d 1:01:01"),
        (units.duration, 9.94, "9.9 s"),
        (units.duration, 9.95, "0:10"),
        (units.duration, 3599.4, "59:59"),
        (units.duration, 3599.6, "1:00:00"),
        (units.duration, 86_399, "23:59:59"),
        (units.duration, 86_400, "1 d 0:00:00"),
        (units.duration, -3, "0.0 s"),
        (units.duration, INF, "-"),
        (units.rate, 92400, "92.4k"),
        (units.rate, 950.3, "950"),
        (units.rate, 9.994, "9.99"),
        (units.rate, 9.995, "10"),
        (units.rate, 99.94, "99.9"),
        (units.rate, 99.96, "100"),
        (units.rate, 999.49, "999"),
        (units.rate, 999.5, "1k"),
        (units.rate, -1500, "-1.5k"),
        (units.rate, 1e21, "1000000P"),
        (units.rate, 3.14159, "3.14"),
        (units.rate, 0, "0"),
        (units.size, 1632888, "1.6 MB"),
        (units.size, 999, "999 B"),
        (units.size, 1000, "1.0 kB"),
        (units.size, 99.94e6, "99.9 MB"),
        (units.size, 99.96e6, "100 MB"),
        (units.size, 141e9, "141 GB"),
        (units.number, 0.00123456, "0.00123"),
        (units.number, 1.2e-7, "1.2e-7"),
        (units.number, 0.0001, "0.0001"),
        (units.number, 0.0000999, "9.99e-5"),
        (units.number, 999_999, "999,999"),
        (units.number, 1_000_000, "1e6"),
        (units.number, 1234.5, "1,234"),
        (units.number, 999.96, "1,000"),
        (units.number, -12.345, "-12.3"),
        (units.number, 1e308, "1e308"),
        (units.number, 0.0, "0"),
        (units.number, NAN, "NaN"),
        (units.number, INF, "inf"),
        (units.number, -INF, "-inf"),
        (units.loss, 0.07123, "0.0712"),
        (units.loss, 1.02139, "1.0214"),
        (units.loss, 0.001, "0.0010"),
        (units.loss, 0.000999, "0.000999"),
        (units.loss, 99.99, "99.9900"),
        (units.loss, 100, "100"),
        (units.loss, 12345.6, "12,346"),
    ],
)
def test_format(function: Callable[[float], str], value: float, text: str) -> None:
    assert function(value) == text


@pytest.mark.parametrize("name", ["percent", "count", "duration", "rate", "size", "number", "loss", "clock", "ago"])
def test_unknown_values_are_a_dash_and_no_float_raises(name: str) -> None:
    function: Callable[[float | None], str] = getattr(units, name)
    assert function(None) == "-"
    assert all(function(value) for value in (0.0, -0.0, -1.5, NAN, INF, -INF, 1e308, -1e308, 5e-324))


def test_clock_is_local_time() -> None:
    assert units.clock(1_700_000_000) == time.strftime("%H:%M:%S", time.localtime(1_700_000_000))
    assert units.clock(1e30) == "-"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "now"),
        (0.99, "now"),
        (1, "1 s ago"),
        (59.9, "59 s ago"),
        (60, "1 min ago"),
        (3599, "59 min ago"),
        (3600, "1 h ago"),
        (86_399, "23 h ago"),
        (86_400, "1 d ago"),
        (300_000, "3 d ago"),
    ],
)
def test_ago(seconds: float, text: str) -> None:
    assert units.ago(1000.0, now=1000.0 + seconds) == text


@pytest.mark.parametrize(
    ("span", "most", "step"),
    [
        (10, 10, 1),
        (10, 5, 2),
        (10, 4, 5),
        (10, 2, 5),
        (10, 1, 10),
        (10, 0, 10),
        (0.3, 3, 0.1),
        (2.1, 1, 5),
        (300, 3, 100),
    ],
)
def test_a_tick_step_is_the_smallest_that_fits(span: float, most: int, step: float) -> None:
    assert units.tick_step(span, most) == pytest.approx(step)


@pytest.mark.parametrize(
    ("span", "most", "step"),
    [
        (2, 4, 0.5), (2.4, 4, 1), (8, 4, 2), (9, 4, 5), (100, 0, 120), (121, 1, 300), (240, 4, 60), (3601, 1, 7200),
        (86_400, 1, 86_400), (3 * 86_400, 3, 86_400), (3 * 86_401, 3, 2 * 86_400), (1e7, 4, 50 * 86_400),
    ],
)  # fmt: skip
def test_a_tick_step_of_seconds_is_the_smallest_that_fits(span: float, most: int, step: float) -> None:
    assert units.tick_seconds(span, most) == step


@pytest.mark.parametrize(
    ("low", "high", "step", "expected"),
    [(0, 1, 0.25, [0, 0.25, 0.5, 0.75, 1]), (0.3, 0.9, 0.3, [0.3, 0.6, 0.9]), (0.1, 0.95, 0.3, [0.3, 0.6, 0.9])],
)
def test_ticks_include_both_ends(low: float, high: float, step: float, expected: list[float]) -> None:
    assert units.ticks(low, high, step) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("values", "step", "labels"),
    [
        ([0, 0.001], 0.001, ["0", "0.001"]),
        ([0, 0.0009], 0.0001, ["0", "9e-4"]),
        ([1e-5, 1.5e-5], 5e-6, ["1e-5", "1.5e-5"]),
        ([0, 999], 1, ["0", "999"]),
        ([0, 1000], 500, ["0", "1.0k"]),
        ([0, 1e6], 5e5, ["0", "1.0M"]),
        ([1e17, 2e17], 1e17, ["100P", "200P"]),
        ([1e18, 2e18], 1e18, ["1e18", "2e18"]),
        # Rounding errors around zero.
        ([-1e-20, 1], 0.5, ["0", "1.0"]),
        ([1e-22, 2e-5], 1e-5, ["0", "2e-5"]),
        ([], 1, []),
    ],
)
def test_tick_labels(values: list[float], step: float, labels: list[str]) -> None:
    assert units.tick_labels(values, step) == labels


@pytest.mark.parametrize(
    ("values", "step", "labels"),
    [
        ([0, 0.5], 0.5, ["0 s", "0.5 s"]),
        ([0, 30], 30, ["0 s", "30 s"]),
        ([0, 60], 60, ["0 min", "1 min"]),
        ([0, 3600], 1800, ["0 min", "60 min"]),
        ([0, 3600], 3600, ["0 h", "1 h"]),
        ([0, 86_400], 86_400, ["0 d", "1 d"]),
    ],
)
def test_second_labels(values: list[float], step: float, labels: list[str]) -> None:
    assert units.second_labels(values, step) == labels


@pytest.mark.parametrize(
    ("low", "high", "most", "labels"),
    [
        (0, 8440, 6, ["0", "2k", "4k", "6k", "8k"]),
        (0.07, 2.3, 5, ["0.5", "1.0", "1.5", "2.0"]),
        (0, 1e-5, 4, ["0", "5e-6", "1e-5"]),
        (-1, 1, 4, ["-1.0", "-0.5", "0", "0.5", "1.0"]),
        (2.3025, 2.3027, 2, ["2.3025", "2.3026", "2.3027"]),
        (0, 1500, 3, ["0", "0.5k", "1.0k", "1.5k"]),
        (1e300, 2e300, 2, ["1e300", "1.5e300", "2e300"]),
    ],
)
def test_ticks_are_neat(low: float, high: float, most: int, labels: list[str]) -> None:
    step = units.tick_step(high - low, most)
    assert units.tick_labels(units.ticks(low, high, step), step) == labels


@pytest.mark.parametrize(
    ("span", "labels"),
    [
        (1, ["0 s", "0.5 s", "1.0 s"]),
        (30, ["0 s", "10 s", "20 s", "30 s"]),
        (200, ["0 min", "1 min", "2 min", "3 min"]),
        (4000, ["0 min", "30 min", "60 min"]),
        (86_400, ["0 h", "6 h", "12 h", "18 h", "24 h"]),
        (1e7, ["0 d", "50 d", "100 d"]),
    ],
)
def test_ticks_of_seconds_divide_minutes_hours_and_days(span: float, labels: list[str]) -> None:
    step = units.tick_seconds(span, 4)
    assert units.second_labels(units.ticks(0, span, step), step) == labels
