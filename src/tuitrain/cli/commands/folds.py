"""`tuitrain train --set training.folds=K`: cross-validation, as a sweep of one run per fold."""

import argparse
from collections.abc import Sequence
from typing import Any

from tuitrain.analysis import units
from tuitrain.analysis.table.group_rows import mean_state
from tuitrain.analysis.table.groups import MeanSD, mean_sd
from tuitrain.cli.commands.sweep import queue_sweep, train_sweep
from tuitrain.cli.output import print_json, print_message
from tuitrain.cli.sweep_output import print_queued
from tuitrain.config.schema import Config
from tuitrain.config.sweeps.sweep import Sweep, SweepOptions
from tuitrain.config.sweeps.toml import dumps
from tuitrain.config.sweeps.validation import check_sweep
from tuitrain.hosts.sweeps.background import start_sweep_in_background
from tuitrain.hosts.sweeps.create import start_new_sweep
from tuitrain.hosts.trust import sweep_code, sweep_key
from tuitrain.runs.catalog.result import result, scores
from tuitrain.runs.records import Score, State
from tuitrain.runs.sweeps.folder import SweepFolder
from tuitrain.runs.sweeps.index import Outcome, SweepIndex
from tuitrain.text import plain


def cross_validate(options: argparse.Namespace, config: Config) -> int:
    """Train a run per fold, print means and standard deviations, and return the exit status."""
    sweep = check_sweep(Sweep(base=config, options=SweepOptions(name=(options.name or "")[:80])))
    folder = start_new_sweep(options.runs_dir, dumps(sweep))
    allowed = sweep_key(sweep_code(sweep))
    print_message(f"cross-validation {plain(folder.path, 1000)}: {len(sweep.folds)} folds")
    if options.queue:
        return queue_sweep(folder, "run", options)
    if options.detach:
        start_sweep_in_background(folder, allowed_key=allowed)
        print_message(f"The folds train in the background. Their result: tuitrain sweep {plain(folder.id)} --show")
        print_queued(folder, "run", as_json=options.json)
        return 0
    ended = train_sweep(folder, None, allowed)
    outcomes = SweepIndex(folder).refresh()
    status = _status(outcomes, ended=ended)
    if status == "stopped":
        print_message(f"Resume it with: tuitrain sweep {plain(folder.id)}")
    _print_folds(folder, outcomes, status)
    if options.json:
        print_json(_document(folder, outcomes, status))
    return {"finished": 0, "stopped": 130}.get(status, 1)


def _status(outcomes: Sequence[Outcome], *, ended: bool) -> str:
    if all(outcome.status == "finished" for outcome in outcomes):
        return "finished"
    return "failed" if ended and any(outcome.status != "stopped" for outcome in outcomes) else "stopped"


def _states(outcomes: Sequence[Outcome]) -> list[State]:
    """Return the states of the finished folds, whose means the result shows."""
    return [outcome.state for outcome in outcomes if outcome.state is not None and outcome.status == "finished"]


def _print_folds(folder: SweepFolder, outcomes: Sequence[Outcome], status: str) -> None:
    """Print a line per fold, and the mean and standard deviation of the finished folds."""
    print_message(f"{status}: {plain(folder.path, 1000)}")
    for outcome in outcomes:
        print_message(f"  fold {folder.sweep().fold(outcome.job.seed)}: {_describe(outcome)}")
    states = _states(outcomes)
    if not states:
        return
    count = f"mean ± standard deviation of {len(states)} folds"
    validation, test = ([getattr(state, split) for state in states] for split in ("validation", "test"))
    print_message(f"  {count}, last epoch: validation {_summary(validation)} · test {_summary(test)}")
    bests = [state.best for state in states if state.best is not None]
    if bests:
        best = f"validation {_summary([best.validation for best in bests])} · test {_summary([b.test for b in bests])}"
        print_message(f"  {count}, best epoch ({bests[0].criterion}): {best}")


def _describe(outcome: Outcome) -> str:
    """Return the scores of a fold at its best epoch, or the reason why it has none."""
    best = outcome.state.best if outcome.state else None
    if outcome.status != "finished" or best is None:
        reason = outcome.problem or (outcome.state.reason if outcome.state else "")
        return f"{outcome.status} {plain(reason)}".rstrip()
    test = units.percent(best.test.measured if best.test else None)
    return f"validation {units.percent(best.validation.measured)} · test {test} (best epoch {best.epoch})"


def _summary(scores: Sequence[Score | None]) -> str:
    """Return `97.22 % ± 0.40 · loss 0.1012 ± 0.0123`."""
    accuracy, loss = _mean_sd(scores, "accuracy"), _mean_sd(scores, "loss")
    if accuracy is None:
        return units.UNKNOWN
    sd = f" ± {100 * accuracy.sd:.2f}" if accuracy.sd is not None else ""
    text = f"{units.percent(accuracy.mean)}{sd}"
    if loss is None:
        return text
    return f"{text} · loss {units.loss(loss.mean)}" + (f" ± {units.loss(loss.sd)}" if loss.sd is not None else "")


def _mean_sd(scores: Sequence[Score | None], name: str) -> MeanSD | None:
    return mean_sd(getattr(score, name) for score in scores if score is not None)


def _document(folder: SweepFolder, outcomes: Sequence[Outcome], status: str) -> dict[str, Any]:
    """Return the document of `train --json` with the means of the finished folds, and each fold's own document."""
    all_states = [outcome.state for outcome in outcomes if outcome.state is not None]
    states = _states(outcomes)
    mean = mean_state(states) if states else State()
    bests = [state.best for state in states if state.best is not None]
    return {
        "run": folder.id,
        "path": str(folder.path),
        "status": status,
        "reason": next((outcome.problem for outcome in outcomes if outcome.problem), ""),
        "epochs": sum(state.epoch for state in all_states),
        "steps": sum(state.step for state in all_states),
        "seconds": sum(state.seconds for state in all_states),
        "samples_per_second": mean.samples_per_second,
        **scores(mean),
        "standard_deviation": {
            **{
                name: _deviation([getattr(state, name) for state in states]) for name in ("train", "validation", "test")
            },
            "best": {name: _deviation([getattr(best, name) for best in bests]) for name in ("validation", "test")},
        },
        "folds": [
            {"fold": folder.sweep().fold(outcome.job.seed)}
            | (result(outcome.run, outcome.state) if outcome.run and outcome.state else {"run": None})
            for outcome in outcomes
        ],
    }


def _deviation(scores: Sequence[Score | None]) -> dict[str, float | None]:
    """Return the sample standard deviations; None with fewer than two values."""
    found = {name: _mean_sd(scores, name) for name in ("loss", "accuracy")}
    return {name: summary.sd if summary else None for name, summary in found.items()}
