"""What `tuitrain sweep` prints: progress, the result as a table or JSON."""

from collections import Counter
from typing import Any

from msgspec import structs
from rich.progress import MofNCompleteColumn

from tuitrain.analysis import sweep as analysis
from tuitrain.analysis import units
from tuitrain.analysis.learning_curve import is_learning_curve, learning_curve, read_infos, sentence, table
from tuitrain.analysis.table.groups import MeanSD, mean_sd
from tuitrain.cli.output import print_json, print_line, print_message
from tuitrain.cli.progress import ProgressBar
from tuitrain.cli.table import write_table
from tuitrain.config.formatting import format_value
from tuitrain.config.sweeps.sweep import Sweep, format_trial
from tuitrain.runs.catalog.result import metric, scores
from tuitrain.runs.records import State
from tuitrain.runs.sweeps.folder import SweepFolder
from tuitrain.runs.sweeps.index import Outcome, SweepIndex, sweep_status
from tuitrain.text import counted, plain


class SweepProgress(ProgressBar):
    """The progress of a sweep, with a line for each run that ends."""

    def __init__(self, folder: SweepFolder) -> None:
        super().__init__(MofNCompleteColumn())
        self._folder = folder
        self._ended: set[str] | None = None

    def show(self, outcomes: list[Outcome]) -> None:
        ended = {outcome.job.key for outcome in outcomes if outcome.done}
        for outcome in outcomes:
            if self._ended is not None and outcome.job.key in ended - self._ended:
                self._print_end(outcome)
        self._ended = ended
        counts = Counter(outcome.status for outcome in outcomes)
        left = analysis.seconds_left(self._folder.sweep(), outcomes)
        description = f"{counts['running']} running" + (f", {units.duration(left)} left" if left is not None else "")
        self._progress.update(self._task, description=description, total=len(outcomes), completed=len(ended))

    def _print_end(self, outcome: Outcome) -> None:
        sweep, values = self._folder.sweep(), outcome.values or {}
        name = sweep.objective
        value = metric(outcome.state, name)
        score = f"{analysis.column_title(sweep, name)} {analysis.format_metric(name, value)}"
        end = f". {plain(outcome.problem)}" if value is None else f", {score}"
        words = (format_trial(sweep.used(values)), sweep.describe_run(values, outcome.job.seed))
        trial = " ".join([f"trial {outcome.job.trial}", *filter(None, words)])
        self.print(f"{trial}: {analysis.display_status(outcome)}{end}")


def print_result(folder: SweepFolder, json: bool) -> int:
    """Print the result and return the exit status: 1 if every run failed."""
    sweep, outcomes = folder.sweep(), SweepIndex(folder).refresh()
    best = analysis.best(analysis.results(sweep, outcomes), sweep.higher_is_better)
    if json:
        print_json(_document(folder, sweep, outcomes, best))
    else:
        _print_table(folder, sweep, outcomes, best)
        if is_learning_curve(sweep):
            print_line("")
            print_curve(sweep, outcomes)
    return exit_status(outcomes)


def exit_status(outcomes: list[Outcome]) -> int:
    """Return 1 if every run failed."""
    return 1 if all(outcome.status in ("failed", "damaged") for outcome in outcomes) else 0


def describe_size(sweep: Sweep) -> str:
    counts = {"trial": sweep.trial_count, "run": sweep.trial_count * sweep.runs_per_trial}
    return ", ".join(counted(count, name) for name, count in counts.items())


def _document(
    folder: SweepFolder, sweep: Sweep, outcomes: list[Outcome], best: tuple[int, MeanSD] | None
) -> dict[str, Any]:
    return {
        "sweep": folder.id,
        "path": str(folder.path),
        "name": sweep.name,
        "status": sweep_status(folder, outcomes),
        "metric": sweep.objective,
        "runs": [
            {
                "trial": outcome.job.trial,
                "seed": sweep.seed(outcome.values or {}, outcome.job.seed),
                "fold": sweep.fold(outcome.job.seed),
                "values": outcome.values,
                "run": outcome.run.id if outcome.run else None,
                "status": outcome.status,
                "reason": outcome.problem,
                "metric": metric(outcome.state, sweep.objective),
                **{key: shown[key] for key in ("validation", "test", "best", "metrics")},
                "seconds": outcome.state.seconds if outcome.state else None,
            }
            for outcome in outcomes
            for shown in [scores(outcome.state or State())]
        ],
        **({"learning_curve": curve_document(sweep, outcomes)} if is_learning_curve(sweep) else {}),
        "best": best and {"trial": best[0], "values": folder.values(best[0]), **structs.asdict(best[1])},
    }


def print_curve(sweep: Sweep, outcomes: list[Outcome]) -> None:
    """Print the accuracy over the training images, and whether more of them would help."""
    curve = learning_curve(sweep, outcomes, read_infos(outcomes, {}))
    if curve.points:
        write_table(table(curve), (0, 1, 2))
    print_line(sentence(curve))


def curve_document(sweep: Sweep, outcomes: list[Outcome]) -> dict[str, Any]:
    curve = learning_curve(sweep, outcomes, read_infos(outcomes, {}))
    gain = None if curve.problem else curve.gain
    return {
        "split": curve.split,
        "points": [
            {
                "fraction": point.fraction,
                "images": point.images,
                "runs": point.accuracy.n,
                "accuracy": {"mean": point.accuracy.mean, "sd": point.accuracy.sd},
                "test": point.test and {"mean": point.test.mean, "sd": point.test.sd},
            }
            for point in curve.points
        ],
        "gain": gain and {**structs.asdict(gain), "verdict": gain.verdict},
        "sentence": sentence(curve),
    }


def _print_table(folder: SweepFolder, sweep: Sweep, outcomes: list[Outcome], best: tuple[int, MeanSD] | None) -> None:
    name, test_name = sweep.objective, analysis.test_metric(sweep.objective)
    titles = (analysis.column_title(sweep, name), "sd", analysis.column_title(sweep, test_name))
    lines = [["trial", *sweep.varying_keys, "runs", *titles]]
    by_trial: dict[int, list[Outcome]] = {}
    for outcome in outcomes:
        by_trial.setdefault(outcome.job.trial, []).append(outcome)
    for trial, runs in sorted(by_trial.items()):
        values = {} if runs[0].values is None else sweep.used(sweep.settings(runs[0].values))
        score, test = (mean_sd(metric(run.state, key) for run in runs) for key in (name, test_name))
        cells = [str(trial), *(format_value(values[key]) if key in values else "" for key in sweep.varying_keys)]
        cells += [
            f"{sum(run.done for run in runs)}/{len(runs)}",
            analysis.format_metric(name, score.mean if score else None),
            analysis.format_metric(name, score.sd if score else None),
            analysis.format_metric(test_name, test.mean if test else None),
        ]
        lines.append([plain(cell, 60) for cell in cells])
    write_table(lines)
    if best is not None:
        settings = format_trial(sweep.used(folder.values(best[0]) or {}))
        print_message(f"best trial by {analysis.best_title(sweep)}: {best[0]}, {settings}")


def print_queued(folder: SweepFolder, key: str, *, as_json: bool) -> None:
    """Print the id of a sweep that trains in the background; in JSON it has the name `key`."""
    if as_json:
        print_json({key: folder.id, "path": str(folder.path), "status": "queued"})
    else:
        print_line(folder.id)
