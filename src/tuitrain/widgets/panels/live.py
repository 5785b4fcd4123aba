"""What is said of a run that goes on, a line each; `width` is the room for it."""

import time

from textual.content import Content

from tuitrain.analysis import health, speed, summary, units
from tuitrain.runs.catalog.listing import Entry
from tuitrain.runs.follower import Follower
from tuitrain.runs.records import Score, State
from tuitrain.text import plain, utf8_locale
from tuitrain.widgets.panels import progress_bars
from tuitrain.widgets.panels.run_report import STATUS

# With less room the name of the run is worth more than the time of day at its end.
NARROW = 70
# The name has so many columns at least.
SHORTEST = 6


def rate(run: Follower) -> float:
    """The learning rate, the peak where there is a schedule."""
    set_since = run.state.lr
    return run.config.optimizer.lr if set_since is None else set_since


def head(run: Follower, width: int) -> Content:
    """Name and make, how it goes, and when it ends."""
    state = run.state
    status = (
        run.status
        if run.status != "running" or state.phase in ("", "training")
        else plain(state.phase.partition(" ")[0], 16)
    )
    now = f" · epoch {min(state.epoch + 1, state.epochs)}/{state.epochs}" if state.active else ""
    left = speed.seconds_left(run) if run.status == "running" else None
    end = ""
    if left is not None:
        rest = units.duration(left)
        end = f" · ends {units.clock(time.time() + left)} (in {rest})" if width >= NARROW else f" · {rest} left"
    room = max(1, width - len(status + now + end) - 1)
    return Content.assemble(_title(run, room), " ", (status, STATUS.get(run.status, "")), now, (end, "$foreground 60%"))


def _title(run: Follower, room: int) -> Content:
    """The name and what the run is made from, as much as there is room for; optimizer and rate stay longest."""
    entry = Entry(run.folder, run.info, run.config, run.state, run.status)
    model = f"{summary.model(entry)} {run.config.model.activation}"
    parts = [run.config.data.dataset, model, f"{run.config.optimizer.name} {rate(run):g}"]
    name = Content.styled(plain(run.info.name, 60), "bold")
    while len(parts) > 1 and name.cell_length + sum(len(part) + 3 for part in parts) > room:
        parts.pop(0)
    about = Content.styled("".join(f" · {part}" for part in parts), "$foreground 60%")
    name = name.truncate(max(SHORTEST, room - about.cell_length), ellipsis=True)
    return (name + about).truncate(room, ellipsis=True, pad=True)


def progress(run: Follower, width: int) -> Content:
    state = run.state
    whole = state.step / state.steps if state.steps else 0.0
    within = state.step - state.epoch * state.steps_per_epoch
    part = within / state.steps_per_epoch if state.steps_per_epoch and state.epoch < state.epochs else whole
    rate_text = units.rate(speed.images_per_second(run))
    device = plain(run.info.device, 40).partition(" ")[0] or "…"
    tail = f"  {rate_text} images/s · {device} {units.size(state.memory)}"
    width, blocks = width - len(tail), utf8_locale()
    if width < 60:
        return Content.assemble(progress_bars.progress("run", whole, width, blocks=blocks), (tail, "$foreground 60%"))
    half = (width - 2) // 2
    return Content.assemble(
        progress_bars.progress("epoch", min(1.0, max(0.0, part)), half, blocks=blocks), "  ",
        progress_bars.progress("run", whole, half, blocks=blocks), (tail, "$foreground 60%"),
    )  # fmt: skip


def numbers(run: Follower, width: int) -> Content:
    """As much of it as there is room for, the scores first."""
    state = run.state
    lr, norm = (run.train[name][-1] if len(run.train) else None for name in ("lr", "grad_norm"))
    steps = [
        Content.assemble(("lr ", "$foreground 60%"), units.number(lr)),
        Content.assemble(("|grad| ", "$foreground 60%"), units.number(norm)),
    ]
    best = _best(state)
    ways = (
        (best, 2, True),
        (best[:1], 2, True),
        (best[:1], 1, True),
        (best[:1], 0, True),
        ((), 0, True),
        ((), 0, False),
    )
    for about, count, losses in ways:
        more = f" ({', '.join(about)})" if about else ""
        scores = [
            _score("train", state.train, losses=losses),
            _score("val", state.validation, more, losses=losses),
            _score("test", state.test, losses=losses),
        ]
        line = Content("   ").join(part for part in (*scores, *steps[:count]) if part)
        if line.cell_length <= width:
            break
    return line


def healthy(run: Follower, width: int) -> Content:
    """What there is to say, after a sign whether it is good."""
    found = health.findings(run)
    worst = not found[0].good
    mark = (
        "! " if worst else "✓ ",
        "$error" if worst and run.status == "failed" else "$warning" if worst else "$success",
    )
    return Content.assemble(mark, plain(health.fit_to_width(found, width - 2)))


def _best(state: State) -> tuple[str, ...]:
    """What is said of the best validation: what it was chosen by, with the value where that is not the last, and the
    epoch. Another tool's run without losses is judged by its accuracies."""
    if state.best is None:
        return ()
    found = state.best.validation
    by, value = ("lowest loss", units.loss(found.loss))
    if found.loss is None:
        by, value = "highest", units.percent(found.measured)
    return (by if found == state.validation else f"{by} {value}", f"epoch {state.best.epoch}")


def _score(name: str, score: Score | None, more: str = "", *, losses: bool = True) -> Content:
    if score is None:
        return Content("")
    return Content.assemble(
        (f"{name} ", "$foreground 60%"),
        f"{units.loss(score.loss)} · " if losses else "",
        (units.percent(score.accuracy), "bold"),
        (more, "$foreground 60%"),
    )
