"""Describe the evaluation and the images that a page of the results shows, in one line below it."""

from textual.content import Content

from tuitrain.analysis import confusion, units
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.records import Evaluation, Sample
from tuitrain.text import counted, plain
from tuitrain.widgets.panels import run_report
from tuitrain.widgets.terminal.colors import MUTED


def no_evaluation(folder: RunFolder) -> Content:
    if folder.editable and folder.read_only:
        return Content("The script has stored no predictions: see docs/log-any-script.md")
    if folder.read_only:
        return Content("Another tool's run: its files contain no predictions")
    return Content(f"No evaluation yet. Make one with: tuitrain evaluate {plain(folder.id)}")


def title(evaluation: Evaluation) -> str:
    return f"{evaluation.split}, the {evaluation.checkpoint} weights (epoch {evaluation.epoch})"


def scores(evaluation: Evaluation, title: str, *, by_class: bool) -> Content:
    """Return the accuracy, or the mean of the classes' F1 with `by_class`."""
    if not by_class:
        return Content.styled(f"{title} · {units.percent(evaluation.accuracy)}", MUTED)
    mean = confusion.macro_average(confusion.class_scores(evaluation.confusion))
    text = f"{counted(mean.support, 'image')} · mean F1 {units.percent(mean.f1)}"
    return Content.assemble((f"{title}   ", MUTED), text)


def images(evaluation: Evaluation, selected: Sample | None, pair: tuple[int, int] | None) -> str:
    """Return how many images are kept, of all or of the `pair` of classes, and the path of the selected one."""
    file = f" · {plain(selected.file, 200)}" if selected and selected.file else ""
    if pair is None:
        return run_report.worst_count(evaluation) + file
    names = " → ".join(plain(evaluation.classes[index], 24) for index in pair)
    return f"{names}: {run_report.kept_count(evaluation, pair)}{file}"
