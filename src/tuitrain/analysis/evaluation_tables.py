"""Tables of an evaluation, as texts with titles first."""

from tuitrain.analysis import confusion, units
from tuitrain.analysis.text_tables import Lines
from tuitrain.runs.records import Evaluation

CLASS_TITLES = ("class", "images", "precision", "recall", "F1", "most predicted as")


def confusion_matrix(evaluation: Evaluation) -> Lines:
    """Return the counts: one line per true class, one column per predicted class."""
    rows = zip(evaluation.classes, evaluation.confusion, strict=True)
    return [["true / predicted", *evaluation.classes], *([name, *map(str, counts)] for name, counts in rows)]


def classes(evaluation: Evaluation) -> Lines:
    """Return precision, recall and F1 of each class, and the class that it is most often wrongly predicted as."""
    lines = [list(CLASS_TITLES)]
    for index, score in enumerate(confusion.class_scores(evaluation.confusion)):
        row = evaluation.confusion[index]
        # Without a Python function per cell: 1,000 classes have a million cells.
        wrong = [*row[:index], 0, *row[index + 1 :]]
        most = max(wrong)
        confused = f"{evaluation.classes[wrong.index(most)]} ({most:,})" if most else units.UNKNOWN
        numbers = (units.percent(value) for value in (score.precision, score.recall, score.f1))
        lines.append([evaluation.classes[index], units.count(score.support), *numbers, confused])
    return lines


def difference(first: Evaluation, second: Evaluation) -> Lines:
    """Return the counts of `second` minus those of `first`, which has the same classes."""
    rows = zip(first.classes, first.confusion, second.confusion, strict=True)
    changes = [[name, *(str(after - before) for before, after in zip(*counts, strict=True))] for name, *counts in rows]
    return [["true / predicted", *first.classes], *changes]


def wrong_predictions(evaluation: Evaluation, cell: tuple[int, int] | None = None) -> Lines:
    """Return the wrong predictions that the evaluation stores, the highest loss first; with `cell`, those of this true
    and predicted class."""
    names = dict(enumerate(evaluation.classes))
    return [
        ["index", "file", "true", "predicted", "probability", "loss"],
        *(
            [
                str(sample.index),
                sample.file,
                names.get(sample.true, str(sample.true)),
                names.get(sample.predicted, str(sample.predicted)),
                f"{sample.probability:.4f}",
                units.loss(sample.loss),
            ]
            for sample in evaluation.worst
            if cell in (None, (sample.true, sample.predicted))
        ),
    ]
