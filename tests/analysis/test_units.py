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
        (units.duration, -3, "0.0 s"),
        (units.duration, INF, "-"),
        (units.rate, 92400, "92.4k"),
        (units.rate, 950.3, "950"),
        (units.rate, 999.7, "1k"),
        (units.rate, 3.14159, "3.14"),
        (units.rate, 0, "0"),
        (units.size, 1632888, "1.6 MB"),
        (units.size, 512, "512 B"),
        (units.size, 141e9, "141 GB"),
        (units.number, 0.00123456, "0.00123"),
        (units.number, 1.2e-7, "1.2e-7"),
        (units.number, 0.001, "0.001"),
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
        (units.loss, 1e-5, "1e-5"),
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
    [(-5, "now"), (0.4, "now"), (3, "3 s ago"), (750, "12 min ago"), (7300, "2 h ago"), (300_000, "3 d ago")],
)
def test_ago(seconds: float, text: str) -> None:
    assert units.ago(1000.0, now=1000.0 + seconds) == text


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
