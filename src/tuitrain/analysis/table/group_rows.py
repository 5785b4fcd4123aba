"""Collapse runs that differ only in their seed or fold into one row of the runs table."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec

from tuitrain.analysis.metrics.kinds import mean_metrics
from tuitrain.analysis.table.groups import mean_sd, one_per_seed, shared_name
from tuitrain.config.data.folds import first_fold
from tuitrain.config.schema import Config
from tuitrain.runs.catalog.listing import Entry
from tuitrain.runs.records import Best, Score, ShownStatus, State

# The status of a group is the first of these that one of its runs has.
STATUS_ORDER: tuple[ShownStatus, ...] = ("running", "paused", "queued", "interrupted", "failed", "stopped", "finished")


class GroupRow(Entry, frozen=True):
    """A row for at least two `runs`: scores and costs are means over the seeds, everything else comes from the first
    run."""

    runs: tuple[Entry, ...] = ()


def members(entry: Entry) -> tuple[Entry, ...]:
    return entry.runs if isinstance(entry, GroupRow) else (entry,)


def samples(runs: Sequence[Entry]) -> list[Entry]:
    """Return one run per seed and fold."""
    return one_per_seed(
        runs, lambda run: (run.config.training.seed, run.config.data.fold), lambda run: run.status == "finished"
    )


def group_entries(entries: Iterable[Entry]) -> list[Entry]:
    """Group the entries at the place of their first run; single, damaged and other tools' runs stay as they are."""
    seedless: dict[int, Config] = {}
    groups: dict[object, list[Entry]] = {}
    for entry in entries:
        config = seedless.get(id(entry.config))
        if config is None:
            replace = msgspec.structs.replace
            data = replace(entry.config.data, fold=first_fold(entry.config.data.fold))
            same = replace(entry.config, data=data, training=replace(entry.config.training, seed=0))
            config = seedless[id(entry.config)] = same
        single = entry.status == "damaged" or entry.folder.read_only
        groups.setdefault(entry.folder.id if single else (config, *entry.changes.items()), []).append(entry)
    return [runs[0] if len(runs) == 1 else _group_row(runs) for runs in groups.values()]


def _group_row(runs: Sequence[Entry]) -> GroupRow:
    first = runs[0]
    seeds = samples(runs)
    name = f"{shared_name([run.info.name for run in runs])} ×{len(seeds)}"
    info = msgspec.structs.replace(first.info, name=name, tags=sorted({tag for run in runs for tag in run.info.tags}))
    status = next(status for status in STATUS_ORDER if any(run.status == status for run in runs))
    state = mean_state([run.state for run in seeds])
    return GroupRow(first.folder, info, first.config, state, status, runs=tuple(runs))


def mean_state(states: Sequence[State]) -> State:
    """Return the means of the progress and the scores; everything else comes from the first state."""
    from statistics import fmean  # Slow to import, and rarely needed at the start.

    best = [state.best for state in states if state.best is not None]
    return msgspec.structs.replace(
        states[0],
        epoch=round(fmean(state.epoch for state in states)),
        step=round(fmean(state.step for state in states)),
        seconds=fmean(state.seconds for state in states),
        samples_per_second=fmean(state.samples_per_second for state in states),
        train=_mean_score(states, lambda state: state.train),
        validation=_mean_score(states, lambda state: state.validation),
        test=_mean_score(states, lambda state: state.test),
        best=Best(
            round(fmean(epoch.epoch for epoch in best)),
            round(fmean(epoch.step for epoch in best)),
            _mean_score(best, lambda epoch: epoch.validation) or best[0].validation,
            _mean_score(best, lambda epoch: epoch.test),
            best[0].metric,
            value.mean if (value := mean_sd(epoch.value for epoch in best)) else None,
        )
        if best
        else None,
    )


def _mean_score(states: Sequence[Any], get: Callable[[Any], Score | None]) -> Score | None:
    scores = [score for state in states if (score := get(state)) is not None]
    accuracy, loss = mean_sd(score.accuracy for score in scores), mean_sd(score.loss for score in scores)
    metrics = mean_metrics([score.metrics for score in scores if score.metrics])
    return Score(loss.mean if loss else None, accuracy.mean, metrics) if accuracy else None
