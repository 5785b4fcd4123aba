"""How fast a run goes, and when it will be done."""

from tuitrain.runs.follower import Curve, Follower

RECENT = 20


def _recent(curve: Curve) -> int | None:
    """Where the rows begin that tell the present pace; None where there are not two."""
    return max(0, len(curve) - 1 - RECENT) if len(curve) > 1 else None


def images_per_second(run: Follower) -> float | None:
    """Over the last rows, evaluation and pauses not counted."""
    first, curve = _recent(run.train), run.train
    if first is None:
        return run.state.samples_per_second or None
    seconds = curve["seconds"][-1] - curve["seconds"][first]
    images = (curve.step[-1] - curve.step[first]) * run.config.data.batch_size * run.config.optimizer.accumulate
    return images / seconds if seconds > 0 else None


def seconds_left(run: Follower) -> float | None:
    """Until the last step, evaluation between the epochs counted; None where nothing is known yet."""
    first, curve = _recent(run.train), run.train
    if first is None or run.state.steps <= 0:
        return None
    passed, steps = curve["time"][-1] - curve["time"][first], curve.step[-1] - curve.step[first]
    left = max(0, run.state.steps - max(run.state.step, curve.step[-1]))
    return passed / steps * left if steps > 0 and passed > 0 else None
