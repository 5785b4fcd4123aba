"""`tuitrain sweep`: start a sweep, go on with one, or say something to it."""

import argparse
import signal
import sys
from collections import Counter
from types import FrameType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from tuitrain.analysis import sweep as analysis
from tuitrain.analysis import units
from tuitrain.analysis.table.groups import MeanSD, mean_sd
from tuitrain.cli.output import document, talk, wide_console
from tuitrain.config.formatting import format_value
from tuitrain.config.sweeps.overrides import override_sweep, parse_option_overrides, parse_trials
from tuitrain.config.sweeps.sweep import Sweep, Values, format_trial, sweep_settings
from tuitrain.config.sweeps.toml import dumps, read
from tuitrain.config.values import parse_value
from tuitrain.errors import ConfigError, RunError
from tuitrain.hosts.sweeps.background import start_sweep_in_background, stop_sweep
from tuitrain.hosts.sweeps.pool import WorkerPool
from tuitrain.runs.catalog.result import metric
from tuitrain.runs.sweeps.folder import SweepFolder, create, find, sweeps
from tuitrain.runs.sweeps.index import Outcome, SweepIndex
from tuitrain.text import plain


def run(options: argparse.Namespace) -> int:
    if options.parallel is not None:
        options.parallel = parse_value(sweep_settings()["sweep.parallel"], options.parallel)
    if options.name is None and not any((options.config, options.set, options.add, options.say, options.first)):
        return _list(options)
    if options.name is None and (options.say or options.first):
        asked = options.say or "first"
        raise ConfigError(f"--{asked} needs the sweep that is meant.", "See: tuitrain sweep")
    folder = find(options.runs_dir, options.name) if options.name is not None else _new(options)
    if options.say or options.first:
        return _say(folder, options)
    if options.name is not None and _extend(folder, options):
        return 0
    if options.detach:
        start_sweep_in_background(folder, options.parallel)
        talk(f"It goes on in the background. Watch it: tuitrain, then S. Stop it: tuitrain sweep {folder.id} --stop")
        if not options.json:
            sys.stdout.write(f"{folder.id}\n")
            return 0
    elif not _work(folder, options.parallel):
        talk(f"It can go on: tuitrain sweep {plain(folder.id)}")
        _result(folder, options.json)
        return 130
    return _result(folder, options.json)


def _new(options: argparse.Namespace) -> SweepFolder:
    sweep, original = read(options.config) if options.config else (Sweep(), "")
    sweep = override_sweep(sweep, [*options.set, *_more(options)], _added(options))
    folder = create(options.runs_dir, dumps(sweep, original))
    talk(f"sweep {plain(folder.path, 1000)}: {_counted(sweep)}")
    return folder


def _more(options: argparse.Namespace) -> list[str]:
    """--trials and --seeds as --set says them."""
    return [f"sweep.{name}={value}" for name in ("trials", "seeds") if (value := getattr(options, name)) is not None]


def _added(options: argparse.Namespace) -> list[Values]:
    return [values for one in options.add for values in parse_trials(one)]


def _counted(sweep: Sweep) -> str:
    counts = {"trial": sweep.trial_count, "run": sweep.trial_count * sweep.options.seeds}
    return ", ".join(f"{count:,} {name}{'s' * (count != 1)}" for name, count in counts.items())


def _extend(folder: SweepFolder, options: argparse.Namespace) -> bool:
    """What is asked of a sweep that exists; whether that is all, because it goes on elsewhere."""
    if options.config is not None:
        raise ConfigError("-c is for a new sweep.", "Add trials to this one with --add.")
    changes = parse_option_overrides([*options.set, *_more(options)])
    add = _added(options)
    if not changes and not add:
        return False
    folder.extend(changes, add)
    elsewhere = folder.sessions()
    where = f"; it goes on in process {elsewhere[0].process.pid}" if elsewhere else ""
    talk(f"sweep {plain(folder.id)}: {_counted(folder.sweep())} in all{where}")
    return bool(elsewhere)


def _say(folder: SweepFolder, options: argparse.Namespace) -> int:
    if options.say == "show":
        return _result(folder, options.json)
    if options.first:
        if wrong := set(options.first) - {job.trial for job in folder.jobs()}:
            last = folder.sweep().trial_count - 1
            raise ConfigError(f"There is no trial {min(wrong)}: they have the numbers 0 to {last}.")
        jobs = sorted(folder.jobs(), key=lambda job: job.seed)
        folder.first([job for trial in options.first for job in jobs if job.trial == trial])
    if options.say == "stop":
        stop_sweep(folder)
    elif options.say:
        folder.ask(paused=options.say == "pause")
    at_work = bool(folder.sessions())
    idle = "" if at_work else f", on which nobody works now. Go on with it: tuitrain sweep {plain(folder.id)}"
    talk(f"{options.say or 'first'}: sent to {plain(folder.id)}{idle}")
    return 0


def _work(folder: SweepFolder, parallel: int | None) -> bool:
    """Whether all runs of the sweep have ended."""
    pool = WorkerPool(folder, parallel)

    def end(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        pool.stopping.set()
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    signal.signal(signal.SIGINT, end)
    signal.signal(signal.SIGTERM, end)
    # Where the terminal has gone the sweep goes on, and nobody hears of it.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with _Talk(folder) as said:
        return pool.run(said.show)


class _Talk:
    """A line for each run that ends, and a bar where stderr is a terminal."""

    def __init__(self, folder: SweepFolder) -> None:
        self._folder = folder
        self._console = Console(file=sys.stderr, highlight=False, soft_wrap=True)
        self._live = self._console.is_terminal
        self._bar = Progress(
            TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(),
            console=self._console, refresh_per_second=4, transient=True, disable=not self._live,
        )  # fmt: skip
        self._task = self._bar.add_task("sweep", total=None)
        self._told: set[str] | None = None

    def __enter__(self) -> "_Talk":
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def show(self, outcomes: list[Outcome]) -> None:
        ended = {one.job.key for one in outcomes if one.done}
        for one in outcomes:
            if self._told is not None and one.job.key in ended - self._told:
                self._line(one)
        self._told = ended
        counts = Counter(one.status for one in outcomes)
        left = analysis.seconds_left(self._folder.sweep(), outcomes)
        words = f"{counts['running']} running" + (f", {units.duration(left)} left" if left is not None else "")
        self._bar.update(self._task, description=words, total=len(outcomes), completed=len(ended))

    def _line(self, one: Outcome) -> None:
        sweep, values = self._folder.sweep(), one.values or {}
        name = sweep.options.metric
        value = metric(one.state, name)
        score = f"{analysis.metric_title(name)} {analysis.format_metric(name, value)}"
        end = f". {plain(one.problem)}" if value is None else f", {score}"
        text = f"trial {one.job.trial} {format_trial(values)} seed {sweep.seed(values, one.job.seed)}:"
        text += f" {analysis.display_status(one)}{end}"
        self._console.print(Text(text))


def _result(folder: SweepFolder, json: bool) -> int:
    sweep, outcomes = folder.sweep(), SweepIndex(folder).refresh()
    best = analysis.best(analysis.results(sweep, outcomes), sweep.higher_is_better)
    if json:
        document(_document(folder, sweep, outcomes, best))
    else:
        _table(folder, sweep, outcomes, best)
    failed = all(one.status in ("failed", "damaged") for one in outcomes)
    return 1 if failed else 0


def _document(
    folder: SweepFolder, sweep: Sweep, outcomes: list[Outcome], best: tuple[int, MeanSD] | None
) -> dict[str, Any]:
    return {
        "sweep": folder.id,
        "path": str(folder.path),
        "name": sweep.name,
        "status": folder.status(all(one.done for one in outcomes)),
        "metric": sweep.options.metric,
        "runs": [
            {
                "trial": one.job.trial,
                "seed": sweep.seed(one.values or {}, one.job.seed),
                "values": one.values,
                "run": one.run.id if one.run else None,
                "status": one.status,
                "reason": one.problem,
                "metric": metric(one.state, sweep.options.metric),
                "validation": one.state.validation if one.state else None,
                "test": one.state.test if one.state else None,
                "best": one.state.best if one.state else None,
                "seconds": one.state.seconds if one.state else None,
            }
            for one in outcomes
        ],
        "best": best
        and {
            "trial": best[0],
            "values": folder.values(best[0]),
            "n": best[1].n,
            "mean": best[1].mean,
            "sd": best[1].sd,
        },
    }


def _table(folder: SweepFolder, sweep: Sweep, outcomes: list[Outcome], best: tuple[int, MeanSD] | None) -> None:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    name, judge = sweep.options.metric, analysis.test_metric(sweep.options.metric)
    titles = (analysis.metric_title(name), "sd", analysis.metric_title(judge))
    for column in ("trial", *sweep.varying_keys, "runs", *titles):
        table.add_column(column, no_wrap=True)
    by_trial: dict[int, list[Outcome]] = {}
    for one in outcomes:
        by_trial.setdefault(one.job.trial, []).append(one)
    for trial, runs in sorted(by_trial.items()):
        values = {} if runs[0].values is None else sweep.settings(runs[0].values)
        found, test = (mean_sd(metric(one.state, key) for one in runs) for key in (name, judge))
        cells = [str(trial), *(format_value(values[key]) if key in values else "" for key in sweep.varying_keys)]
        cells += [
            f"{sum(one.done for one in runs)}/{len(runs)}",
            analysis.format_metric(name, found.mean if found else None),
            analysis.format_metric(name, found.sd if found else None),
            analysis.format_metric(judge, test.mean if test else None),
        ]
        table.add_row(*(Text(plain(cell, 60)) for cell in cells))
    wide_console().print(table)
    if best is not None:
        talk(f"best: trial {best[0]}, {format_trial(folder.values(best[0]) or {})}")


def _list(options: argparse.Namespace) -> int:
    rows = []
    for folder in sweeps(options.runs_dir):
        try:
            sweep, outcomes = folder.sweep(), SweepIndex(folder).refresh()
        except RunError as error:
            talk(f"{plain(folder.id)}: {error}")
            continue
        done = sum(one.done for one in outcomes)
        status = folder.status(done == len(outcomes))
        rows.append({"id": folder.id, "name": sweep.name, "status": status, "done": done, "runs": len(outcomes)})
    if options.json:
        document(rows)
        return 0
    if not rows:
        talk(f"There are no sweeps in {plain(options.runs_dir)}. Start one with: tuitrain sweep -c FILE")
    for row in rows:
        sys.stdout.write(f"{plain(row['id'])}  {row['status']}  {row['done']}/{row['runs']}\n")
    return 0
