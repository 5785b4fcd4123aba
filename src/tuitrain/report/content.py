"""Collect what a report says, from the folders of its runs."""

import time
from collections.abc import Sequence

from tuitrain import __version__
from tuitrain.analysis import summary
from tuitrain.errors import RunError
from tuitrain.report import run as about
from tuitrain.report.blocks import Report, Section
from tuitrain.report.comparison import comparison_sections
from tuitrain.report.reproduce import reproduce, train_again
from tuitrain.report.results import read_results, result_sections
from tuitrain.report.robustness import robustness_sections
from tuitrain.runs.catalog.follow import follow
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.follower import Follower


def collect(folders: Sequence[RunFolder]) -> Report:
    """Return the report of one run, or the comparison of several and what each of them is. Raise RunError without
    runs."""
    unique = {folder.id: folder for folder in folders}
    if not unique:
        raise RunError("A report needs at least one run.", "List runs with: tuitrain runs")
    runs = [_read(folder) for folder in unique.values()]
    now = time.strftime("%Y-%m-%d %H:%M")
    written = f"Written by tuitrain {__version__} on {now}."
    if len(runs) == 1:
        return Report(_name(runs[0]), _subtitle(runs[0]), _one(runs[0]), written)
    sections = comparison_sections(runs)
    sections += [_brief(run, number) for number, run in enumerate(runs, 1)]
    names = ", ".join(map(_name, runs))
    return Report(f"Comparison of {len(runs)} runs", names, sections, written)


def _read(folder: RunFolder) -> Follower:
    run = follow(folder)
    while run.poll(1.0):
        pass
    return run


def _name(run: Follower) -> str:
    return run.info.name or run.folder.id


def _subtitle(run: Follower) -> str:
    return "" if run.problem or run.folder.read_only else summary.settings_in_words(run)


def _one(run: Follower) -> list[Section]:
    results = read_results(run)
    return [
        Section("Result", about.headline(run, results)),
        *about.data_and_network(run),
        about.scores(run),
        about.curves(run, 1),
        *result_sections(run, results, 1),
        *robustness_sections(run),
        about.chosen_settings(run),
        reproduce(run),
    ]


def _brief(run: Follower, number: int) -> Section:
    """Return what a report of several runs says about each of them."""
    blocks = [*about.headline(run, read_results(run)), *about.in_brief(run), *train_again(run)]
    return Section(f"Run {number}: {_name(run)}", blocks)
