"""The learning rate over a run, as a pure function of the step."""

import math

from tuitrain.config.schema import Schedule

# one-cycle starts at this fraction of the peak, and rises for this part of the run where no warm-up is set.
ONE_CYCLE_START = 1 / 25
ONE_CYCLE_RISE = 0.3
# exponential cannot end at 0, and ends here at the least.
LEAST_FINAL = 1e-6


def lr_factor(config: Schedule, step: int, steps_per_epoch: int, total_steps: int, drops: int = 0) -> float:
    """What multiplies `optimizer.lr` for the step about to be taken.

    `step` counts from 0, so that the last one of the run is `total_steps - 1`; later ones are given its value.
    `drops` is how often plateau has dropped so far. Epochs are rounded to whole steps.
    """
    warmup = _steps(config.warmup, steps_per_epoch)
    last = total_steps - 1
    step = min(step, last)
    if config.name == "one-cycle":
        return _one_cycle(config, step, warmup or ONE_CYCLE_RISE * total_steps, last)
    rise = min(1.0, (step + 1) / warmup) if warmup else 1.0
    return rise * _shape(config, step, steps_per_epoch, _part(step, warmup, last), drops)


def _shape(config: Schedule, step: int, steps_per_epoch: int, part: float, drops: int) -> float:
    """The schedule without its warm-up; `part` of what comes after the warm-up is done, from 0 to 1."""
    match config.name:
        case "step":
            return math.pow(config.gamma, step // max(1, _steps(config.every, steps_per_epoch)))
        case "plateau":
            return math.pow(config.gamma, drops)
        case "exponential":
            return math.pow(max(config.final, LEAST_FINAL), part)
        case "cosine":
            return _cosine(1.0, config.final, part)
        case _:
            return 1.0


def _one_cycle(config: Schedule, step: int, rise: float, last: int) -> float:
    """Smith and Topin 2018, in cosine form: up to the peak over `rise` steps, then down to `final`."""
    peak = max(0.0, min(rise - 1, last))
    if step <= peak and peak > 0:
        return _cosine(ONE_CYCLE_START, 1.0, step / peak)
    return _cosine(1.0, config.final, _part(step, peak, last))


def _cosine(start: float, end: float, part: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * part)) / 2


def _part(step: float, start: float, end: float) -> float:
    """How much of the way from `start` to `end` is done at `step`, from 0 to 1."""
    if step <= start:
        return 0.0
    return 1.0 if step >= end else (step - start) / (end - start)


def _steps(epochs: float, steps_per_epoch: int) -> int:
    return round(min(epochs * steps_per_epoch, 1e15))
