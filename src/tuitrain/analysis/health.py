"""Is it going well? What a look at a run's rows can tell."""

import shutil
import time
from bisect import bisect_right
from collections.abc import Iterator
from math import isfinite, log

from msgspec import Struct

from tuitrain.analysis import units
from tuitrain.runs.follower import Follower

# A first layer whose gradient is this much smaller than the last one's learns next to nothing.
VANISHING = 1e-3
# A validation loss this many times its lowest for so many epochs, while the training loss fell, is overfitting.
OVERFITTING = 1.3
EPOCHS = 3
# A training loss that many times its lowest, and no small one, is no noise.
GROWN = 3.0
NOTICED = 0.1
# Steps after the warm-up that a network has to do better than a guess, and a whole epoch.
STEPS = 100
# Stretches of rows that stand for all of them, at least half as many once there are more rows.
STRETCHES = 64
SILENT = 60.0
SCARCE = 500e6


class Finding(Struct, frozen=True):
    """`good` is False for what asks for a look."""

    text: str
    good: bool


def findings(run: Follower) -> list[Finding]:
    """What is worth saying, problems first; never empty."""
    wrong = [text for text in (_ended(run), _disk(run), _silent(run)) if text] + problems(run)
    notes = [text for text in ("" if _overfitting(run) else _validation(run), _gradient(run)) if text]
    good = [] if wrong else ["no problem seen"]
    return [Finding(text, False) for text in wrong] + [Finding(text, True) for text in good + notes]


def problems(run: Follower) -> list[str]:
    """What is wrong with how it learns, the worst first."""
    grown = _grown(run)
    # What has diverged may have any gradients.
    cause = "" if grown else _vanishing(run)
    return [text for text in (grown, _chance(run), _overfitting(run), cause) if text]


def fitting(found: list[Finding], width: int) -> str:
    """As many as there is room for, whole, and the first in any case."""
    line = found[0].text
    for finding in found[1:]:
        longer = f"{line} · {finding.text}"
        if len(longer) > width:
            break
        line = longer
    return line


def _disk(run: Follower) -> str:
    if not run.state.active:
        return ""
    try:
        free = shutil.disk_usage(run.folder.path).free
    except OSError:
        return ""
    return f"only {units.size(free)} left on the disk" if free < SCARCE else ""


def _ended(run: Follower) -> str:
    if run.status == "interrupted":
        return "its process is gone: killed, out of memory, or a reboot"
    return run.problem or (run.state.reason if run.state.status == "failed" else "")


def _silent(run: Follower) -> str:
    silence = time.time() - run.state.heartbeat
    return f"nothing heard for {units.duration(silence)}" if run.status == "running" and silence > SILENT else ""


def _level(run: Follower, end: int) -> float | None:
    """The median training loss of the last rows before row `end`."""
    losses = run.train["loss"]
    width = max(3, min(20, len(losses) // 20))
    finite = sorted(loss for loss in losses[max(0, end - width) : end] if isfinite(loss))
    return finite[len(finite) // 2] if finite else None


def _levels(run: Follower) -> Iterator[float]:
    """From the first row to the last; of many rows the same ones for as long as they do not double."""
    rows = len(run.train)
    between = 3 << max(0, (rows // (3 * STRETCHES)).bit_length())
    return (level for end in range(3, rows + 1, between) if (level := _level(run, end)) is not None)


def _grown(run: Follower) -> str:
    now, lowest = _level(run, len(run.train)), min(_levels(run), default=None)
    if now is None or lowest is None or not now > max(GROWN * lowest, NOTICED):
        return ""
    return f"the loss has grown to {units.loss(now)} from {units.loss(lowest)}"


def _chance(run: Follower) -> str:
    """A guess has the loss ln(K) of K classes."""
    classes, step = len(run.info.classes), run.train.step[-1] if len(run.train) else 0
    epoch = run.state.steps_per_epoch
    now = _level(run, len(run.train))
    if classes < 2 or now is None or step < max(epoch, STEPS) + run.config.schedule.warmup * epoch:
        return ""
    if now < 0.99 * log(classes) or not run.train["accuracy"][-1] < 2 / classes:
        return ""
    return f"no better than chance: loss {units.loss(now)} of {classes} classes"


def _vanishing(run: Follower) -> str:
    norms = [column[-1] for column in run.layers if column and isfinite(column[-1])]
    if len(norms) < 2 or norms[-1] <= 0 or norms[0] >= VANISHING * norms[-1]:
        return ""
    if not norms[0]:
        return "the gradient of the first layer is 0"
    return f"vanishing gradient: {units.number(norms[0])} in the first layer, {units.number(norms[-1])} in the last"


def _lowest(run: Follower) -> float | None:
    best = run.state.best
    return best.validation.loss if best and best.validation.loss and best.validation.loss > 0 else None


def _overfitting(run: Follower) -> str:
    curve, best, lowest = run.evaluations["validation"], run.state.best, _lowest(run)
    if best is None or lowest is None or len(curve) < EPOCHS or curve.step[-EPOCHS] <= best.step:
        return ""
    now, then = _level(run, len(run.train)), _level(run, bisect_right(run.train.step, best.step))
    if now is None or then is None or now >= then:
        return ""
    losses = curve["loss"][-EPOCHS:]
    if not all(isfinite(loss) and loss > OVERFITTING * lowest for loss in losses):
        return ""
    return f"validation loss is {units.number(losses[-1] / lowest)} times its lowest, of epoch {best.epoch}"


def _validation(run: Follower) -> str:
    losses, lowest = run.evaluations["validation"]["loss"], _lowest(run)
    if len(losses) < 2 or lowest is None:
        return ""
    return "validation still falls" if losses[-1] <= lowest else "validation has been better"


def _gradient(run: Follower) -> str:
    norms = [column[-1] for column in run.layers if column and isfinite(column[-1])]
    return f"smallest layer gradient {units.number(min(norms))}" if norms else ""
