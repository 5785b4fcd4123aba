"""`tuitrain sweep`: start a sweep, go on with one, or say something to it."""

import argparse
import os
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
from tuitrain.cli.output import document, talk, wide_console
from tuitrain.config.sweep import Sweep, change, describe
from tuitrain.config.sweep import options as sweep_options
from tuitrain.config.sweep_toml import dumps, read
from tuitrain.config.values import parsed, to_text
from tuitrain.errors import ConfigError, RunError
from tuitrain.hosts.sweep import Pool, spawn, stop
from tuitrain.runs.result import metric
from tuitrain.runs.sweep import SweepFolder, create, find, sweeps
from tuitrain.runs.sweep_index import Outcome, SweepIndex
from tuitrain.text import plain


def run(options: argparse.Namespace) -> int:
    if options.parallel is not None:
        options.parallel = parsed(sweep_options()["sweep.parallel"], options.parallel)
    if options.name is None and options.config is None and not options.set and not options.say:
        return _list(options)
    if options.say and options.name is None:
        raise ConfigError(f"--{options.say} needs the sweep that is meant.", "See: tuitrain sweep")
    folder = _folder(options)
    if options.say:
        return _say(folder, options.say)
    more = {name: value for name in ("trials", "seeds") if (value := getattr(options, name)) is not None}
    if more and options.name is not None:
        folder.extend(**more)
    if options.detach:
        spawn(folder, options.parallel)
        talk(f"It goes on in the background. Watch it: tuitrain, then S. Stop it: tuitrain sweep {folder.id} --stop")
        if not options.json:
            sys.stdout.write(f"{folder.id}\n")
            return 0
    elif not _work(folder, options.parallel):
        talk(f"It can go on: tuitrain sweep {plain(folder.id)}")
        _result(folder, options.json)
        return 130
    return _result(folder, options.json)


def _folder(options: argparse.Namespace) -> SweepFolder:
    if options.name is not None:
        if options.config is not None or options.set:
            raise ConfigError("A sweep that exists keeps its settings: -c and --set are for new ones.")
        return find(options.runs_dir, options.name)
    sweep, original = read(options.config) if options.config else (Sweep(), "")
    more = [
        f"sweep.{name}={getattr(options, name)}" for name in ("trials", "seeds") if getattr(options, name) is not None
    ]
    sweep = change(sweep, [*options.set, *more])
    folder = create(options.runs_dir, dumps(sweep, original))
    talk(f"sweep {plain(folder.path, 1000)}: {sweep.trials} trials, {sweep.trials * sweep.options.seeds} runs")
    return folder


def _say(folder: SweepFolder, what: str) -> int:
    if what == "stop":
        stop(folder)
    else:
        folder.ask(paused=what == "pause")
    talk(f"{what}: sent to {plain(folder.id)}")
    return 0


def _work(folder: SweepFolder, parallel: int | None) -> bool:
    """Whether all runs of the sweep have ended."""
    pool = Pool(folder, parallel)

    def end(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        pool.ending.set()
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    signal.signal(signal.SIGINT, end)
    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGHUP, _hang_up)
    with _Talk(folder) as said:
        return pool.run(said.show)


def _hang_up(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
    """The terminal has gone: the sweep goes on, and says nothing more."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(nowhere, stream)
    os.close(nowhere)


class _Talk:
    """A line for each run that ends, and a bar where stderr is a terminal."""

    def __init__(self, folder: SweepFolder) -> None:
        self._folder, self._metric = folder, folder.sweep().options.metric
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
        self._bar.update(
            self._task, description=f"{counts['running']} running", total=len(outcomes), completed=len(ended)
        )

    def _line(self, one: Outcome) -> None:
        value = metric(one.state, self._metric)
        text = f"{describe(one.values or {})} seed {one.job.seed}: {one.status}"
        text += f", {self._metric} {value:.4f}" if value is not None else f". {plain(one.problem)}"
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
    folder: SweepFolder, sweep: Sweep, outcomes: list[Outcome], best: tuple[int, analysis.Summary] | None
) -> dict[str, Any]:
    return {
        "sweep": folder.id,
        "path": str(folder.path),
        "name": sweep.options.name,
        "status": folder.status(all(one.done for one in outcomes)),
        "metric": sweep.options.metric,
        "runs": [
            {
                "trial": one.job.trial,
                "seed": one.job.seed,
                "values": one.values,
                "run": one.run.id if one.run else None,
                "status": one.status,
                "reason": one.problem,
                "metric": metric(one.state, sweep.options.metric),
                "validation": one.state.validation if one.state else None,
                "test": one.state.test if one.state else None,
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


def _table(
    folder: SweepFolder, sweep: Sweep, outcomes: list[Outcome], best: tuple[int, analysis.Summary] | None
) -> None:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for column in ("trial", *sweep.varying, "runs", sweep.options.metric, "sd", "test"):
        table.add_column(column, no_wrap=True)
    by_trial: dict[int, list[Outcome]] = {}
    for one in outcomes:
        by_trial.setdefault(one.job.trial, []).append(one)
    for trial, runs in sorted(by_trial.items()):
        values, found = (
            runs[0].values or {},
            analysis.summarize(metric(one.state, sweep.options.metric) for one in runs),
        )
        test = analysis.summarize(one.state.test.accuracy for one in runs if one.state and one.state.test)
        cells = [str(trial), *(to_text(values[key]) if key in values else "" for key in sweep.varying)]
        cells += [
            f"{sum(one.done for one in runs)}/{len(runs)}",
            f"{found.mean:.4f}" if found else "-",
            f"{found.sd:.4f}" if found and found.sd is not None else "-",
            units.percent(test.mean if test else None),
        ]
        table.add_row(*(Text(plain(cell, 60)) for cell in cells))
    wide_console().print(table)
    if best is not None:
        talk(f"best: trial {best[0]}, {describe(folder.values(best[0]) or {})}")


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
        rows.append(
            {"id": folder.id, "name": sweep.options.name, "status": status, "done": done, "runs": len(outcomes)}
        )
    if options.json:
        document(rows)
        return 0
    if not rows:
        talk(f"There are no sweeps in {plain(options.runs_dir)}. Start one with: tuitrain sweep -c FILE")
    for row in rows:
        sys.stdout.write(f"{plain(row['id'])}  {row['status']}  {row['done']}/{row['runs']}\n")
    return 0
