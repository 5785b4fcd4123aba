"""List labels that are likely wrong, by the stored predictions and the user's marks."""

from tuitrain.analysis import units
from tuitrain.errors import RunError
from tuitrain.report.blocks import Block, Picture, Pictures, Table, Text
from tuitrain.report.pictures import picture_of
from tuitrain.runs.follower import Follower
from tuitrain.runs.label_check import known_labels
from tuitrain.runs.marks import WRONG, marks_file, read_marks
from tuitrain.runs.predictions import Predictions
from tuitrain.runs.records import Evaluation
from tuitrain.text import counted

ROWS = 20


def suspects(run: Follower, evaluation: Evaluation, number: int) -> list[Block]:
    """Return the labels of the evaluated split that the network's probabilities contradict, and those that the
    user marked. `number` is that of the run in the report."""
    known = known_labels(run.folder, run.info)
    found = f"By similar images or marks, {known.wrong:,} of all {known.images:,} labels look wrong." if known else ""
    return [*_doubted(run, evaluation, number), *([Text(found)] if found else []), *_marked(run)]


def _doubted(run: Follower, evaluation: Evaluation, number: int) -> list[Block]:
    try:
        predictions = run.folder.predictions_of(evaluation)
    except RunError as error:
        return [Text(str(error), "warning")]
    if predictions is None or len(predictions.labels) < 2:
        return [Text("The run stores no predictions to judge labels by.", "missing")]
    if predictions.rounded.shape[1] != len(evaluation.classes):
        return [Text("The stored predictions have other classes than the evaluation.", "warning")]
    rows = _likely_wrong(predictions)
    about = (
        f"Confident learning on the network's probabilities for the {evaluation.split} split: "
        f"{len(rows):,} of {len(predictions.labels):,} labels look wrong, or the network is confidently wrong. "
        f"tuitrain suspects {run.folder.id} also compares all images with similar ones."
    )
    lines = [["image", "label", "probability of the label", "suggested", "its probability"]]
    lines += [
        [
            predictions.names[row], evaluation.classes[predictions.labels[row]],
            units.percent(float(predictions.probabilities[row, predictions.labels[row]])),
            evaluation.classes[suggested], units.percent(float(predictions.probabilities[row, suggested])),
        ]
        for row, suggested in rows[:ROWS]
    ]  # fmt: skip
    pictures = _pictures(evaluation, {row for row, _ in rows[:ROWS]}, number)
    found: list[Block] = [Pictures(pictures)] if pictures else []
    return [Text(about), *found, *([Table(lines, (2, 4))] if rows else [])]


def _likely_wrong(predictions: Predictions) -> list[tuple[int, int]]:
    """Return the images whose label is likely wrong, with the suggested class, the most doubtful first."""
    import numpy as np

    from tuitrain.analysis.images.suspects import score_labels

    known = np.flatnonzero(np.isfinite(predictions.probabilities).all(1))
    if not len(known):
        return []
    scores = score_labels(predictions.probabilities[known], predictions.labels[known])
    order = [row for row in scores.ranking.tolist() if scores.wrong[row]]
    return [(int(known[row]), int(scores.suggested[row])) for row in order]


def _pictures(evaluation: Evaluation, rows: set[int], number: int) -> list[Picture]:
    samples = [sample for sample in evaluation.worst if sample.index in rows]
    return [picture for sample in samples if (picture := picture_of(sample, evaluation, number)) is not None]


def _marked(run: Follower) -> list[Block]:
    try:
        marks = {} if run.folder.read_only else read_marks(marks_file(run.folder))
    except RunError as error:
        return [Text(str(error), "warning")]
    wrong = [(name, mark) for name, mark in marks.items() if mark.mark == WRONG]
    if not marks:
        return []
    about = f"A person checked {counted(len(marks), 'label')}, and marked {len(wrong):,} as wrong."
    lines = [["image", "label", "should be"], *([name, mark.label, mark.suggested] for name, mark in wrong[:ROWS])]
    return [Text(about), *([Table(lines, title="Marked as wrong")] if wrong else [])]
