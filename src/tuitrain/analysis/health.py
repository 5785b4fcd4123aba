"""Detect problems of a run from its metrics: divergence, overfitting, vanishing gradients, silence."""

import shutil
import time
from bisect import bisect_right
from collections.abc import Iterator
from math import isfinite, log
from typing import NamedTuple

from msgspec import Struct

from tuitrain.analysis import units
from tuitrain.analysis.layers import layer_problem
from tuitrain.runs.follower import Follower

# Ratio of first to last gradient norm below which the first layers hardly learn.
VANISHING_RATIO = 1e-3
# Overfitting: validation loss above this multiple of its minimum for this many epochs, while the training loss falls.
OVERFITTING_RATIO = 1.3
OVERFITTING_EPOCHS = 3
# Divergence: training loss above this multiple of its minimum, and above this value (smaller losses are noise).
DIVERGED_RATIO = 3.0
DIVERGED_LOSS = 0.1
# Steps after the warm-up before a chance-level loss counts as a problem.
CHANCE_STEPS = 100
# The minimum of the loss is searched in at most this many windows of rows.
WINDOWS = 64
# Seconds without a heartbeat, and bytes of free disk space, that are worth a warning.
SILENT_SECONDS = 60.0
LOW_DISK = 500e6
# Shares of the time in which a GPU waits for images, and of its memory in use, that are worth a warning.
STARVING, FULL_MEMORY = 0.3, 0.95
# The number of measurements of the machine that must agree.
MEASUREMENTS = 3


class Finding(Struct, frozen=True):
    """An observation; `good` is False if it needs attention."""

    text: str
    good: bool


def findings(run: Follower) -> list[Finding]:
    """Return the findings, problems first; never empty."""
    bad = [_ended(run), _disk(run), _silent(run), *problems(run), *_machine(run)]
    good = ["" if any(bad) else "healthy", "" if _overfitting(run) else _validation(run), _gradient(run)]
    all_findings = [*(Finding(text, False) for text in bad), *(Finding(text, True) for text in good)]
    return [finding for finding in all_findings if finding.text]


def problems(run: Follower) -> list[str]:
    """Return what is wrong with the learning itself, the worst first."""
    diverged = _diverged(run)
    return [text for text in (diverged, _chance(run), _overfitting(run), _layers(run, diverged)) if text]


def obstacles(run: Follower) -> list[str]:
    """Return the problems that keep a network from learning at all, the worst first."""
    diverged = _diverged(run)
    return [text for text in (diverged, _chance(run), _layers(run, diverged)) if text]


def _layers(run: Follower, diverged: str) -> str:
    # The gradients of a diverged network say nothing.
    return "" if diverged else layer_problem(run) or _vanishing(run)


def fit_to_width(findings: list[Finding], width: int) -> str:
    """Join the first findings that fit into `width` cells; always include the first."""
    line = findings[0].text
    for finding in findings[1:]:
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
    return f"only {units.size(free)} of disk space left" if free < LOW_DISK else ""


def _machine(run: Follower) -> list[str]:
    """Return what the latest measurements of an active run on a GPU say about the machine."""
    if not run.state.active or run.info.device.startswith("cpu"):
        return []
    latest = {name: list(run.resources[name][-MEASUREMENTS:]) for name in ("wait", "gpu_memory")}
    wait, memory = (min(values) if len(values) == MEASUREMENTS else 0.0 for values in latest.values())
    return [
        f"the GPU waits {units.percent(wait)} of the time for images" if wait > STARVING else "",
        f"{units.percent(memory)} of the GPU's memory is in use" if memory > FULL_MEMORY else "",
    ]


def _ended(run: Follower) -> str:
    if run.status == "interrupted":
        return "the process is gone: killed, out of memory, or a reboot"
    return run.problem or (run.state.reason if run.state.status == "failed" else "")


def _silent(run: Follower) -> str:
    silence = time.time() - run.state.heartbeat
    return f"no heartbeat for {units.duration(silence)}" if run.status == "running" and silence > SILENT_SECONDS else ""


def _level(run: Follower, end: int) -> float | None:
    """Return the median training loss of the rows just before row `end`."""
    losses = run.train["loss"]
    width = max(3, min(20, len(losses) // 20))
    finite = sorted(loss for loss in losses[max(0, end - width) : end] if isfinite(loss))
    return finite[len(finite) // 2] if finite else None


def _levels(run: Follower) -> Iterator[float]:
    """Yield the median loss at regular rows. The spacing is a power of two, so a growing run visits the same rows
    again."""
    rows = len(run.train)
    spacing = 3 << max(0, (rows // (3 * WINDOWS)).bit_length())
    return (level for end in range(3, rows + 1, spacing) if (level := _level(run, end)) is not None)


def _loss_floor(run: Follower) -> float:
    """Return the lowest possible training loss: the entropy of smoothed labels, in nats. With class weights,
    which make it hard to compute, return the bound 0."""
    smoothing, classes = run.config.training.label_smoothing, len(run.info.classes)
    if not smoothing or classes < 2 or run.config.training.class_weights != "none":
        return 0.0
    other = smoothing / classes
    true = 1 - smoothing + other
    return -true * log(true) - (classes - 1) * other * log(other)


def _diverged(run: Follower) -> str:
    now, lowest, floor = _level(run, len(run.train)), min(_levels(run), default=None), _loss_floor(run)
    if now is None or lowest is None or not now - floor > max(DIVERGED_RATIO * (lowest - floor), DIVERGED_LOSS):
        return ""
    return f"training loss rose from {units.loss(lowest)} to {units.loss(now)}"


def _chance(run: Follower) -> str:
    """Compare the loss with ln(K), that of guessing among K classes."""
    classes, step = len(run.info.classes), run.train.step[-1] if len(run.train) else 0
    epoch = run.state.steps_per_epoch
    now = _level(run, len(run.train))
    if classes < 2 or now is None or step < max(epoch, CHANCE_STEPS) + run.config.schedule.warmup * epoch:
        return ""
    if now < 0.99 * log(classes) or not run.train["accuracy"][-1] < 2 / classes:
        return ""
    return f"no better than chance: loss {units.loss(now)} with {classes} classes"


def _gradient_norms(run: Follower) -> list[float]:
    """Return the latest gradient norm of each layer, without those that are not finite."""
    return [column[-1] for column in run.layers if column and isfinite(column[-1])]


def _vanishing(run: Follower) -> str:
    norms = _gradient_norms(run)
    if len(norms) < 2 or norms[-1] <= 0 or norms[0] >= VANISHING_RATIO * norms[-1]:
        return ""
    if not norms[0]:
        return "the gradient of the first layer is zero"
    first, last = units.number(norms[0]), units.number(norms[-1])
    return f"vanishing gradient: norm {first} in the first layer, {last} in the last"


class Lowest(NamedTuple):
    """The lowest validation loss, which need not be that of the best epoch."""

    loss: float
    epoch: int
    step: int


def lowest_validation(run: Follower) -> Lowest | None:
    """Return the lowest validation loss; None without one, or if it is zero."""
    curve = run.evaluations["validation"]
    rows = (row for row, loss in enumerate(curve["loss"]) if isfinite(loss))
    row = min(rows, key=curve["loss"].__getitem__, default=None)
    if row is None or curve["loss"][row] <= 0:
        return None
    epoch = curve["epoch"][row]
    return Lowest(curve["loss"][row], int(epoch) if isfinite(epoch) else 0, curve.step[row])


def training_loss_fell(run: Follower, step: int) -> bool:
    """Return whether the training loss is lower than after `step`."""
    now, then = _level(run, len(run.train)), _level(run, bisect_right(run.train.step, step))
    return now is not None and then is not None and now < then


def _overfitting(run: Follower) -> str:
    curve, lowest = run.evaluations["validation"], lowest_validation(run)
    if lowest is None or len(curve) < OVERFITTING_EPOCHS or not training_loss_fell(run, lowest.step):
        return ""
    losses = curve["loss"][-OVERFITTING_EPOCHS:]
    if not all(isfinite(loss) and loss > OVERFITTING_RATIO * lowest.loss for loss in losses):
        return ""
    ratio = units.number(losses[-1] / lowest.loss)
    return f"overfitting: validation loss is {ratio} times its minimum at epoch {lowest.epoch}"


def _validation(run: Follower) -> str:
    losses, lowest = run.evaluations["validation"]["loss"], lowest_validation(run)
    if len(losses) < 2 or lowest is None:
        return ""
    if losses[-1] <= lowest.loss:
        return "validation loss still falling"
    return f"validation loss {units.loss(losses[-1])}, best {units.loss(lowest.loss)} at epoch {lowest.epoch:,}"


def _gradient(run: Follower) -> str:
    norms = _gradient_norms(run)
    return f"smallest gradient norm {units.number(min(norms))}" if norms else ""
