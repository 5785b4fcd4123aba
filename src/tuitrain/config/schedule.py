"""Learning-rate schedules as pure functions of the step."""

import math

from tuitrain.config.schema import Schedule

# one-cycle starts at this fraction of the peak and, without a warm-up, rises during this fraction of the run.
ONE_CYCLE_START = 1 / 25
ONE_CYCLE_RISE = 0.3
# exponential decay never reaches 0; this is the smallest final factor.
MIN_FINAL = 1e-6


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
    """Return how far `step`, at most `end`, is from `start` to `end`: from 0, also before `start`, to 1."""
    return 0.0 if step <= start else (step - start) / (end - start)


def _steps(epochs: float, steps_per_epoch: int) -> int:
    return round(min(epochs * steps_per_epoch, 1e15))
