"""The text lines of the live screen, each at most `width` cells wide."""

import re
import time
from math import isfinite, nan

from textual.content import Content

from tuitrain.analysis import health, slurm, speed, summary, units
from tuitrain.config.code import without_folder
from tuitrain.runs.follower import Follower
from tuitrain.runs.records import Score, State
from tuitrain.text import counted, plain
from tuitrain.widgets.panels import progress_bars
from tuitrain.widgets.shorten import shorten_middle
from tuitrain.widgets.terminal.colors import MUTED, STATUS_STYLES

# Below this width the head leaves out the clock time of the end.
NARROW = 70
MIN_NAME = 6
# The width of a bar behind a phase.
BAR = 40
# The rows of another program that are searched for a value.
_ROWS = 1000
# The progress in a phase, as `reading: 1,200 of 4,000 images`.
COUNTS = re.compile(r": ([\d,]+) of ([\d,]+)")


def learning_rate(run: Follower) -> float:
    """Return the learning rate as configured or changed by the user; with a schedule, its peak."""
    changed = run.state.lr
    return run.config.optimizer.lr if changed is None else changed


def head(run: Follower, width: int, activity: str = "") -> Content:
    """Return name, settings, status and estimated end; `activity` is shown in place of the status."""
    state = run.state
    status = activity or (
        summary.status_name(run.status, state)
        if run.status != "running" or state.phase in ("", "training")
        else plain(state.phase.partition(" ")[0], 16)
    )
    epochs = state.active and state.step and state.epochs
    epoch = f" · epoch {min(state.epoch + 1, state.epochs)}/{state.epochs}" if epochs else ""
    left = speed.seconds_left(run) if run.status == "running" else None
    end = ""
    if left is not None:
        duration = units.duration(left)
        clock = units.clock(time.time() + left)
        end = f" · ends {clock} (in {duration})" if width >= NARROW else f" · {duration} left"
    elif not state.active and state.step:
        epochs_in = f"{summary.counted_epochs(run)} in " if state.epochs else ""
        end = f" · {epochs_in}{units.duration(state.seconds)}"
    room = max(1, width - len(status + epoch + end) - 1)
    color = STATUS_STYLES.get(run.status, "")
    return Content.assemble(_title(run, room), " ", (status, color), epoch, (end, MUTED))


def _title(run: Follower, room: int) -> Content:
    """Return the name and as many settings as fit; optimizer and learning rate are kept longest."""
    if run.folder.read_only:
        words = plain(summary.settings_in_words(run), 200)
        line = Content.assemble((plain(run.info.name, 60), "bold"), (f" · {words}" if words else "", MUTED))
        return line.truncate(room, ellipsis=True, pad=True)
    model = f"{summary.model(run)} {run.config.model.activation}"
    parts = [without_folder(run.config.data.dataset), model, f"{run.config.optimizer.name} {learning_rate(run):g}"]
    name = Content.styled(plain(run.info.name, 60), "bold")
    while len(parts) > 1 and name.cell_length + sum(len(part) + 3 for part in parts) > room:
        parts.pop(0)
    details = Content.styled("".join(f" · {part}" for part in parts), MUTED)
    # The end of a name tells runs apart: digits-mlp-adam-3 and digits-mlp-adam-4.
    fitted = shorten_middle(name.plain, max(MIN_NAME, room - details.cell_length))
    return (Content.styled(fitted, "bold") + details).truncate(room, ellipsis=True, pad=True)


def progress(run: Follower, width: int) -> Content:
    state = run.state
    if phase := _preparation(state):
        return _phase_progress(phase, width)
    if run.folder.read_only:
        return Content.styled(f"{counted(state.step, 'step')} · {units.duration(state.seconds)}", MUTED)
    if not state.active:
        return Content.styled(_cost(run), MUTED)
    run_fraction = state.step / state.steps if state.steps else 0.0
    steps_in_epoch = state.step - state.epoch * state.steps_per_epoch
    unfinished = state.steps_per_epoch and state.epoch < state.epochs
    epoch_fraction = steps_in_epoch / state.steps_per_epoch if unfinished else run_fraction
    images_per_second = units.rate(speed.images_per_second(run))
    tail = f"  {images_per_second} images/s · {_memory(run)}"
    width -= len(tail)
    if width < 60:
        bar = progress_bars.progress("run", run_fraction, width)
        return Content.assemble(bar, (tail, MUTED))
    half = (width - 2) // 2
    return Content.assemble(
        progress_bars.progress("epoch", min(1.0, max(0.0, epoch_fraction)), half), "  ",
        progress_bars.progress("run", run_fraction, half), (tail, MUTED),
    )  # fmt: skip


def _phase_progress(phase: str, width: int) -> Content:
    """Return the phase, with a bar if it counts something."""
    counts = COUNTS.search(phase)
    done, total = (int(number.replace(",", "")) for number in counts.groups()) if counts else (0, 0)
    if not total:
        return Content(phase)
    return progress_bars.progress(phase, done / total, min(width, len(phase) + BAR))


def _cost(run: Follower) -> str:
    state = run.state
    done = f"{state.epoch} of {counted(state.epochs, 'epoch')} · {counted(state.step, 'step')}"
    rate = units.rate(state.samples_per_second)
    return f"{done} · {units.duration(state.seconds)} · {rate} images/s · {_memory(run)}"


def _memory(run: Follower) -> str:
    device = plain(run.info.device, 40).partition(" ")[0] or "…"
    device = f"{run.info.devices} × {device}" if run.info.devices > 1 else device
    use = run.resources["gpu_use"][-1] if len(run.resources) and run.state.active else nan
    return f"{device} {units.size(run.state.memory)}{f' · busy {100 * use:.0f} %' if isfinite(use) else ''}"


def _preparation(state: State) -> str:
    """Return what happens before the first step of an active run, or before a resumed run continues."""
    if not state.active or (state.status != "queued" and (state.step or state.train)):
        return ""
    return plain(state.phase, 120) or summary.status_name(state.status, state)


def _latest(run: Follower, column: str) -> float | None:
    """Return the last value of a column of the training rows, or None. Other programs log it in some rows only."""
    others = run.folder.read_only
    rows = run.train[column][-_ROWS if others else -1 :]
    return next((value for value in reversed(rows) if isfinite(value) or not others), None)


def numbers(run: Follower, width: int) -> Content:
    """Return scores, learning rate and gradient norm, as many as fit, the scores first."""
    state = run.state
    latest = {"lr ": _latest(run, "lr"), "|grad| ": _latest(run, "grad_norm")}
    # Other programs need not log these.
    steps = [
        Content("") if value is None and run.folder.read_only else Content.assemble((name, MUTED), units.number(value))
        for name, value in latest.items()
    ]
    best = _best(state)
    layouts = (
        (best, 2, True),
        (best[:1], 2, True),
        (best[:1], 1, True),
        (best[:1], 0, True),
        ((), 0, True),
        ((), 0, False),
    )
    for details, count, losses in layouts:
        suffix = f" ({', '.join(details)})" if details else ""
        scores = [
            _score("train", state.train, losses=losses),
            _score("val", state.validation, suffix, losses=losses),
            _score("test", state.test, losses=losses),
        ]
        line = Content("   ").join(part for part in (*scores, *steps[:count]) if part)
        if line.cell_length <= width:
            break
    return line


def health_line(run: Follower, width: int) -> Content:
    """Return the findings about the run's health, after a sign for good or bad, and the Slurm job that trains it."""
    findings = health.findings(run)
    job = slurm.job_line(run.state)
    place = f"   {job}" if job else ""
    if findings[0].good and _preparation(run.state):
        return Content.styled(f"waiting for the first step{place}", MUTED)
    problem = not findings[0].good
    mark = (
        "! " if problem else "✓ ",
        "$error" if problem and run.status == "failed" else "$warning" if problem else "$success",
    )
    text = plain(health.fit_to_width(findings, max(width // 2, width - 2 - len(place))))
    return Content.assemble(mark, text, (place, MUTED))


def _best(state: State) -> tuple[str, ...]:
    """Describe the best epoch: the criterion, its value unless the line shows it already, and the epoch."""
    best = state.best
    if best is None:
        return ()
    criterion = best.criterion.replace("validation ", "")
    shown = best.validation == state.validation and best.metric in ("loss", "accuracy")
    return (criterion if shown else f"{criterion} {summary.best_value(best)}", summary.moment(best))


def _score(name: str, score: Score | None, suffix: str = "", *, losses: bool = True) -> Content:
    if score is None:
        return Content("")
    return Content.assemble(
        (f"{name} ", MUTED),
        f"{units.loss(score.loss)} · " if losses else "",
        (units.percent(score.measured), "bold"),
        (suffix, MUTED),
    )
