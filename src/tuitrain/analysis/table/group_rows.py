"""Runs that differ only in their seed, as one row of a table."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec

from tuitrain.analysis.table.groups import group_name, spread
from tuitrain.config.schema import Config
from tuitrain.runs.catalog.listing import Entry
from tuitrain.runs.records import Best, Score, ShownStatus, State

# What is said of runs that are not all in the same state: what asks most for a look.
FIRST: tuple[ShownStatus, ...] = ("running", "paused", "queued", "interrupted", "failed", "stopped", "finished")


class Bundle(Entry, frozen=True):
    """Stands for `runs`, at least two: the scores and costs of its state are their means, all else is the first's."""

    runs: tuple[Entry, ...] = ()


def members(entry: Entry) -> tuple[Entry, ...]:
    """The runs that the row stands for."""
    return entry.runs if isinstance(entry, Bundle) else (entry,)


def bundled(entries: Iterable[Entry]) -> list[Entry]:
    """Each where its first run stood; a run like no other, a damaged one, or another tool's stays as it is."""
    seedless: dict[int, Config] = {}
    groups: dict[object, list[Entry]] = {}
    for entry in entries:
        config = seedless.get(id(entry.config))
        if config is None:
            same = msgspec.structs.replace(entry.config.training, seed=0)
            config = seedless[id(entry.config)] = msgspec.structs.replace(entry.config, training=same)
        alone = entry.status == "damaged" or entry.folder.read_only
        groups.setdefault(entry.folder.id if alone else (config, *entry.changes.items()), []).append(entry)
    return [runs[0] if len(runs) == 1 else _bundle(runs) for runs in groups.values()]


def _bundle(runs: Sequence[Entry]) -> Bundle:
    first = runs[0]
    name = f"{group_name([run.info.name for run in runs])} ×{len(runs)}"
    info = msgspec.structs.replace(first.info, name=name, tags=sorted({tag for run in runs for tag in run.info.tags}))
    status = next(status for status in FIRST if any(run.status == status for run in runs))
    return Bundle(first.folder, info, first.config, _state([run.state for run in runs]), status, runs=tuple(runs))


def _state(states: Sequence[State]) -> State:
    from statistics import fmean  # costs at the start, where it is seldom needed

    best = [state.best for state in states if state.best is not None]
    return msgspec.structs.replace(
        states[0],
        epoch=round(fmean(state.epoch for state in states)),
        step=round(fmean(state.step for state in states)),
        seconds=fmean(state.seconds for state in states),
        samples_per_second=fmean(state.samples_per_second for state in states),
        train=_score(states, lambda state: state.train),
        validation=_score(states, lambda state: state.validation),
        test=_score(states, lambda state: state.test),
        best=Best(
            round(fmean(one.epoch for one in best)),
            round(fmean(one.step for one in best)),
            _score(best, lambda one: one.validation) or best[0].validation,
            _score(best, lambda one: one.test),
        )
        if best
        else None,
    )


def _score(of: Sequence[Any], what: Callable[[Any], Score | None]) -> Score | None:
    scores = [score for one in of if (score := what(one)) is not None]
    accuracy, loss = spread(score.accuracy for score in scores), spread(score.loss for score in scores)
    return Score(loss.mean if loss else None, accuracy.mean) if accuracy else None
