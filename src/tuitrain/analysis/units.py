"""Format numbers for people. None, an unknown value, is always "-"."""

import time
from collections.abc import Callable
from functools import wraps
from math import ceil, floor, isfinite, isnan, log10

from tuitrain import text
from tuitrain.text import PREFIXES, thousands

UNKNOWN = "-"
_UNITS = ((1, "s"), (60, "min"), (3600, "h"), (86400, "d"))
_TIME_STEPS = [part * unit for unit, _ in _UNITS[:2] for part in (1, 2, 5, 10, 15, 30)]
_TIME_STEPS += [3600 * hours for hours in (1, 2, 3, 6, 12, 24)]


def _with_special_values(text: Callable[[float], str]) -> Callable[[float | None], str]:
    """Let a function that formats finite numbers also accept None, NaN and infinities."""

    @wraps(text)
    def formatted(value: float | None) -> str:
        if value is None:
            return UNKNOWN
        return text(value) if isfinite(value) else "NaN" if isnan(value) else str(value)

    return formatted


def _trim(digits: str) -> str:
    """Remove trailing zeros of a fraction."""
    return digits.rstrip("0").rstrip(".") if "." in digits else digits


def _scientific(value: float, decimals: int) -> str:
    mantissa, exponent = f"{value:.{decimals}e}".split("e")
    return f"{_trim(mantissa)}e{int(exponent)}"


@_with_special_values
def number(value: float) -> str:
    """Format a number with three significant digits: `0.00123`, `12.3`, `1,235`; `1.2e-7` if that is shorter."""
    if value == 0:
        return "0"
    if not 1e-4 <= abs(value) < 1e6:
        return _scientific(value, 2)
    return _trim(f"{value:,.{max(0, 2 - floor(log10(abs(value))))}f}")


@_with_special_values
def loss(value: float) -> str:
    """Format a loss with four decimals, so that losses align: `0.0712`; very small and large ones as `number`."""
    return f"{value:.4f}" if 1e-3 <= abs(value) < 100 else number(value)


@_with_special_values
def percent(fraction: float) -> str:
    return f"{100 * fraction:.2f} %"


@_with_special_values
def count(value: float) -> str:
    return f"{value:,.0f}"


@_with_special_values
def rate(per_second: float) -> str:
    """Format a rate with three significant digits: `92.4k`."""
    value, suffix = thousands(per_second)
    decimals = 0 if abs(value) >= 99.95 else 1 if abs(value) >= 9.995 else 2
    return _trim(f"{value:.{decimals}f}") + suffix


size = _with_special_values(text.size)


def duration(seconds: float | None) -> str:
    """Format a duration: `6.4 s`, `0:41`, `1:02:05`, `2 d 1:02:05`; negative values count as zero."""
    if seconds is None or not isfinite(seconds):
        return UNKNOWN
    seconds = max(seconds, 0.0)
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours}:{minutes:02}:{rest:02}"
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def clock(timestamp: float | None) -> str:
    """Return the local time of day, from seconds since 1970."""
    try:
        return UNKNOWN if timestamp is None else time.strftime("%H:%M:%S", time.localtime(timestamp))
    except (OverflowError, OSError, ValueError):
        return UNKNOWN


def ago(timestamp: float | None, now: float | None = None) -> str:
    """Format the time from `timestamp` to `now`, both in seconds since 1970, in its largest unit: `12 min ago`."""
    if timestamp is None or not isfinite(timestamp):
        return UNKNOWN
    seconds = (time.time() if now is None else now) - timestamp
    for unit, name in reversed(_UNITS):
        if seconds >= unit:
            return f"{floor(seconds / unit)} {name} ago"
    return "now"


def tick_step(span: float, max_ticks: int) -> float:
    """Return the smallest step of 1, 2 or 5 times a power of ten that divides `span` > 0 into at most `max_ticks`
    parts."""
    raw = span / max(max_ticks, 1)
    power = 10.0 ** floor(log10(raw))
    return next((factor * power for factor in (1, 2, 5) if factor * power >= raw * (1 - 1e-9)), 10 * power)


def tick_seconds(span: float, max_ticks: int) -> float:
    """Return a step for seconds that divides minutes, hours or days evenly."""
    raw = span / max(max_ticks, 1)
    if raw <= 0.5:
        return tick_step(span, max_ticks)
    day = _UNITS[-1][0]
    return next((step for step in _TIME_STEPS if step >= raw * (1 - 1e-9)), day * tick_step(span / day, max_ticks))


def ticks(low: float, high: float, step: float) -> list[float]:
    return [k * step for k in range(ceil(low / step - 1e-6), floor(high / step + 1e-6) + 1)]


def tick_labels(values: list[float], step: float) -> list[str]:
    """Return labels in one unit, with as few decimals as distinguish values `step` apart."""
    largest = max(map(abs, values), default=0.0)
    if largest and not 1e-3 <= largest < 1e18:
        decimals = max(0, floor(log10(largest) + 1e-9) - floor(log10(step) + 1e-9))
        return [_scientific(value, decimals) if abs(value) > step / 2 else "0" for value in values]
    scale, suffix = 1.0, ""
    for power, name in enumerate(PREFIXES):
        if largest >= 1000**power:
            scale, suffix = 1000.0**power, name
    decimals = max(0, -floor(log10(step / scale) + 1e-9))
    return [f"{value / scale:.{decimals}f}{suffix}" if abs(value) > step / 2 else "0" for value in values]


def second_labels(values: list[float], step: float) -> list[str]:
    """Return labels for seconds: `0.5 s`, `90 min`, `2 d`."""
    size, name = next(unit for unit in reversed(_UNITS) if step >= unit[0] or unit[0] == 1)
    return [f"{label} {name}" for label in tick_labels([value / size for value in values], step / size)]
