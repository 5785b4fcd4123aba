"""Is it going well? What a look at a run's rows can tell."""

import shutil
import time
from dataclasses import dataclass
from math import isfinite

from tuitrain.analysis import units
from tuitrain.runs.follower import Follower

# A first layer whose gradient is this much smaller than the last one's learns next to nothing.
VANISHING = 1e-3
# Epochs in a row of rising validation and falling training loss that make it overfitting.
RISING = 3
SPIKE = 3.0
SILENT = 60.0
SCARCE = 500e6


@dataclass(frozen=True)
class Finding:
    """`good` is False for what asks for a look."""

    text: str
    good: bool


def findings(run: Follower) -> list[Finding]:
    """What is worth saying, problems first; never empty."""
    problems = [
        text
        for text in (_ended(run), _disk(run), _silent(run), _spike(run), _vanishing(run), _overfitting(run))
        if text
    ]
    notes = [text for text in (_validation(run), _gradient(run)) if text]
    good = [] if problems else ["no problem seen"]
    return [Finding(text, False) for text in problems] + [Finding(text, True) for text in good + notes]


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


def _spike(run: Follower) -> str:
    losses = [loss for loss in run.train["loss"][-20:] if isfinite(loss)]
    if len(losses) < 8:
        return ""
    usual = sorted(losses[:-1])[len(losses) // 2]
    return (
        f"the loss jumped from {units.loss(usual)} to {units.loss(losses[-1])}"
        if losses[-1] > SPIKE * usual > 0.05
        else ""
    )


def _vanishing(run: Follower) -> str:
    norms = [column[-1] for column in run.layers if column and isfinite(column[-1])]
    if len(norms) < 2 or norms[-1] <= 0 or norms[0] >= VANISHING * norms[-1]:
        return ""
    return f"vanishing gradient: {units.number(norms[0])} in the first layer, {units.number(norms[-1])} in the last"


def _overfitting(run: Follower) -> str:
    losses = run.evaluations["validation"]["loss"]
    if len(losses) <= RISING or not all(
        later > sooner for sooner, later in zip(losses[-RISING - 1 :], losses[-RISING:], strict=False)
    ):
        return ""
    train = run.train["loss"]
    return (
        f"validation loss rises for {RISING} epochs while training goes on" if train and train[-1] < losses[-1] else ""
    )


def _validation(run: Follower) -> str:
    losses = run.evaluations["validation"]["loss"]
    if len(losses) < 2:
        return ""
    return "validation still falls" if losses[-1] <= min(losses) else "validation has been better"


def _gradient(run: Follower) -> str:
    norms = [column[-1] for column in run.layers if column and isfinite(column[-1])]
    return f"smallest layer gradient {units.number(min(norms))}" if norms else ""
