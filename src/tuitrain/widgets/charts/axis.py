"""Scale numbers to an axis and choose its ticks."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from math import ceil, floor, isfinite, log10

from tuitrain.analysis.units import number, second_labels, tick_labels, tick_seconds, tick_step, ticks

_HUGE = 1e300
_FLAT = 1e-5


@dataclass(frozen=True)
class Axis:
    """The range of an axis; with `log` its ends are exponents of ten."""

    low: float
    high: float
    log: bool = False

    @classmethod
    def over(cls, values: Iterable[float], log: bool = False) -> "Axis | None":
        """Return the axis that covers `values`; None if no value can be shown."""
        scale = cls(0.0, 1.0, log)
        scaled = [number for value in values if (number := scale.scaled(value)) is not None]
        return cls(min(scaled), max(scaled), log).widened() if scaled else None

    def widened(self) -> "Axis":
        """Return the axis with a minimum length, so that close values can be told apart."""
        size = max(abs(self.low), abs(self.high))
        if self.high - self.low > (_FLAT if self.log else max(_FLAT * size, 1 / _HUGE)):
            return self
        room = 0.1 if self.log else max(0.1 * size, 1 / _HUGE) if size else 0.5
        return replace(self, low=self.low - room, high=self.high + room)

    def rounded(self, max_ticks: int) -> "Axis":
        """Extend the range to round numbers, so that it stays the same while curves grow."""
        if self.log and not self._narrow:
            return replace(self, low=_round_exponent(self.low), high=-_round_exponent(-self.high))
        low, high = self._values
        step = tick_step(high - low, max_ticks)
        below, above = floor(low / step + 1e-6) * step, ceil(high / step - 1e-6) * step
        return replace(self, low=log10(below or low), high=log10(above)) if self.log else Axis(below, above)

    @property
    def _values(self) -> tuple[float, float]:
        return (10**self.low, 10**self.high) if self.log else (self.low, self.high)

    @property
    def _narrow(self) -> bool:
        """Whether a log axis is too short for ticks at 1, 2 and 5 times powers of ten."""
        return self.log and self.high - self.low < log10(5)

    def scaled(self, value: float) -> float | None:
        """Return the position of a value in units of the axis; None if it cannot be shown."""
        if not isfinite(value) or (self.log and value <= 0):
            return None
        value = min(max(value, 1 / _HUGE if self.log else -_HUGE), _HUGE)
        return log10(value) if self.log else value

    def place(self, value: float) -> float | None:
        """Return the position of a value, 0 at the low end and 1 at the high end, within ±1000; None if it has none."""
        scaled = self.scaled(value)
        return None if scaled is None else min(max((scaled - self.low) / (self.high - self.low), -1e3), 1e3)

    def ticks(
        self, max_ticks: int, percent: bool = False, whole: bool = False, seconds: bool = False
    ) -> list[tuple[float, str]]:
        """Return positions and labels of about `max_ticks` ticks, at `whole` numbers or round times if requested."""
        if self.log and not self._narrow:
            values = self._powers(max_ticks)
            labels = [number(100 * value if percent else value) for value in values]
        elif seconds:
            step = tick_seconds(self.high - self.low, max_ticks)
            values = ticks(self.low, self.high, step)
            labels = second_labels(values, step)
        else:
            smallest = 1.0 if whole else 0.0
            low, high = self._values
            step = max(tick_step(high - low, max_ticks), smallest)
            if len(ticks(low, high, step)) < 2:
                step = max(tick_step(high - low, 2 * max_ticks), smallest)
            values = ticks(low, high, step)
            labels = tick_labels([100 * v for v in values], 100 * step) if percent else tick_labels(values, step)
        unit = " %" if percent else ""
        return [(self.place(value) or 0.0, label + unit) for value, label in zip(values, labels, strict=True)]

    def _powers(self, max_ticks: int) -> list[float]:
        step = max(1, round(tick_step(self.high - self.low, max_ticks)))
        factors = (1, 2, 5) if 3 * (self.high - self.low) <= max_ticks + 1 else (1,)
        exponents = range(floor(self.low), floor(self.high + 1e-9) + 1)
        values = [factor * 10.0**exponent for exponent in exponents if exponent % step == 0 for factor in factors]
        values = [value for value in values if value > 0 and self.low - 1e-9 <= log10(value) <= self.high + 1e-9]
        return values if len(values) > 1 else [10**self.low, 10**self.high]

    def narrowed(self, low: float | None, high: float | None) -> "Axis":
        """Return the axis between these values; None, or a value that cannot be shown, keeps the present end."""
        ends = [self.low, self.high]
        for index, value in enumerate((low, high)):
            if value is not None and (scaled := self.scaled(value)) is not None:
                ends[index] = scaled
        return replace(self, low=min(ends), high=max(ends)).widened()


UNIT = Axis(0.0, 1.0)


def _round_exponent(exponent: float) -> float:
    """Round down to the exponent of 1, 2 or 5 times a power of ten. Negate argument and result to round up."""
    power = floor(exponent + 1e-9)
    return max(power + offset for offset in (0.0, log10(2), log10(5)) if power + offset <= exponent + 1e-9)
