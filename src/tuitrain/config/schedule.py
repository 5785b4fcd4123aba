"""Learning-rate schedules as pure functions of the step, and how they continue when a run gets more epochs."""

import math
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from tuitrain.config.schema import Schedule
from tuitrain.text import noun_for

# one-cycle starts at this fraction of the peak and, without a warm-up, rises during this fraction of the run.
ONE_CYCLE_START = 1 / 25
ONE_CYCLE_RISE = 0.3
# exponential decay never reaches 0; this is the smallest final factor.
MIN_FINAL = 1e-6
# The schedules whose learning rate depends on the number of epochs.
LENGTH_DEPENDENT = ("exponential", "cosine", "one-cycle")
# How the schedule continues when the number of epochs changes.
Extension = Literal["stretch", "hold", "restart"]
EXTENSION_TITLES: dict[Extension, str] = {
    "stretch": "span all epochs", "hold": "hold the last rate", "restart": "begin a new cycle"
}  # fmt: skip


class LRCurve(Struct, frozen=True):
    """The learning rate of a run at each step. Its schedule spans the steps from `start` to the end of epoch `end`;
    None: of the last epoch. `lr` is the base learning rate, and `drops` is that of `lr_factor`."""

    schedule: Schedule
    lr: float
    steps_per_epoch: int
    epochs: int
    start: int = 0
    end: int | None = None
    drops: int = 0

    def rate(self, step: int) -> float:
        """Return the learning rate of step `step`, counted from 0; after the schedule, that of its last step."""
        total = max(1, self.steps_per_epoch * (self.end or self.epochs) - self.start)
        return self.lr * lr_factor(self.schedule, step - self.start, self.steps_per_epoch, total, self.drops)

    @property
    def last_rate(self) -> float:
        return self.rate(self.steps_per_epoch * self.epochs - 1)

    def extended(self, epochs: int, step: int, choice: Extension) -> "LRCurve":
        """Return the curve after the number of epochs changes before step `step`."""
        if choice == "restart":
            return replace(self, epochs=epochs, start=step, end=None)
        return replace(self, epochs=epochs, end=(self.end or self.epochs) if choice == "hold" else None)

    def describe_change(self, new: "LRCurve", step: int) -> str:
        """Describe how the learning rate changes from step `step` on if `new` replaces this curve. Return an empty text
        if it does not change."""
        name, now, then = self.schedule.name, f"{self.rate(step):.3g}", f"{new.rate(step):.3g}"
        restarts, dependent = new.start != self.start, name in LENGTH_DEPENDENT
        if new.end is not None:
            last, stretched = f"{new.last_rate:.3g}", f"{replace(new, end=None).last_rate:.3g}"
            held = f"{name} ends with epoch {new.end}, and the learning rate stays at {last} after it"
            return held if dependent or last != stretched else ""
        if now == then or not (restarts or dependent):
            return ""
        span = f"a new cycle of {name} spans" if restarts else f"{name} now spans"
        return f"the learning rate goes from {now} to {then}, because {span} {new._spanned}"

    @property
    def _spanned(self) -> str:
        count = (self.end or self.epochs) - self.start / self.steps_per_epoch
        return f"{count:.4g} {noun_for(count, 'epoch')}"

    def choices(self, epochs: int, step: int) -> list[tuple[Extension, str, str]]:
        """Return the choices for a new number of epochs, each with a title and its learning rates. Return none if the
        rates do not differ, or if the run has not trained yet."""
        if not step or not self.steps_per_epoch or self.schedule.name not in LENGTH_DEPENDENT:
            return []
        curves = {choice: self.extended(epochs, step, choice) for choice in EXTENSION_TITLES}
        rates = {
            choice: f"{curve.rate(step):.3g} now, {curve.last_rate:.3g} at the end" for choice, curve in curves.items()
        }
        if len(set(rates.values())) == 1:
            return []
        return [(choice, title, rates[choice]) for choice, title in EXTENSION_TITLES.items()]


def lr_factor(config: Schedule, step: int, steps_per_epoch: int, total_steps: int, drops: int = 0) -> float:
    """Return the factor that multiplies `optimizer.lr` in step `step`.

    Steps count from 0; steps after `total_steps - 1` get the factor of the last one. `drops` is the number of times
    that plateau has reduced the learning rate. Epochs are rounded to whole steps.
    """
    warmup = _steps(config.warmup, steps_per_epoch)
    last = total_steps - 1
    step = min(step, last)
    if config.name == "one-cycle":
        return _one_cycle(config, step, warmup or ONE_CYCLE_RISE * total_steps, last)
    ramp = min(1.0, (step + 1) / warmup) if warmup else 1.0
    return ramp * _without_warmup(config, step, steps_per_epoch, _progress(step, warmup, last), drops)


def _without_warmup(config: Schedule, step: int, steps_per_epoch: int, progress: float, drops: int) -> float:
    """Return the factor without the warm-up; `progress` goes from 0 after the warm-up to 1 at the last step."""
    match config.name:
        case "step":
            return math.pow(config.gamma, step // max(1, _steps(config.every, steps_per_epoch)))
        case "plateau":
            return math.pow(config.gamma, drops)
        case "exponential":
            return math.pow(max(config.final, MIN_FINAL), progress)
        case "cosine":
            return _cosine(1.0, config.final, progress)
        case _:
            return 1.0


def _one_cycle(config: Schedule, step: int, rise: float, last: int) -> float:
    """Rise to the peak in `rise` steps and fall to `final`, both along a cosine (Smith and Topin 2018)."""
    peak = max(0.0, min(rise - 1, last))
    if step <= peak and peak > 0:
        return _cosine(ONE_CYCLE_START, 1.0, step / peak)
    return _cosine(1.0, config.final, _progress(step, peak, last))


def _cosine(start: float, end: float, progress: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * progress)) / 2


def _progress(step: float, start: float, end: float) -> float:
    """Return the fraction of the steps from `start` to `end` that precede `step`, at most `end`; 0 before `start`."""
    return 0.0 if step <= start else (step - start) / (end - start)


def _steps(epochs: float, steps_per_epoch: int) -> int:
    return round(min(epochs * steps_per_epoch, 1e15))
