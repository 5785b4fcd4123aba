"""Estimate the speed of a run and its time left."""

from tuitrain.runs.follower import Curve, Follower

# The number of training rows that the present speed is measured over.
RECENT_ROWS = 20


def _recent(curve: Curve) -> int | None:
    """Return the index of the first recent row; None with fewer than two rows."""
    return max(0, len(curve) - 1 - RECENT_ROWS) if len(curve) > 1 else None


def images_per_second(run: Follower) -> float | None:
    """Return the speed over the recent rows, without evaluations and pauses."""
    first, curve = _recent(run.train), run.train
    if first is None:
        return run.state.samples_per_second or None
    seconds = curve["seconds"][-1] - curve["seconds"][first]
    size = run.config.data.batch_size
    batch = run.info.batch_size if size == "auto" else size
    images = (curve.step[-1] - curve.step[first]) * batch * run.config.optimizer.accumulate
    return images / seconds if seconds > 0 else None


def seconds_left(run: Follower) -> float | None:
    """Return the time to the last step, including evaluations between epochs; None if unknown."""
    first, curve = _recent(run.train), run.train
    if first is None or run.state.steps <= 0:
        return None
    elapsed, steps = curve["time"][-1] - curve["time"][first], curve.step[-1] - curve.step[first]
    left = max(0, run.state.steps - max(run.state.step, curve.step[-1]))
    return elapsed / steps * left if steps > 0 and elapsed > 0 else None
