"""The sections about the predictions of a run: metrics, classes, wrong predictions and suspicious labels."""

from collections.abc import Sequence
from dataclasses import dataclass

from tuitrain.analysis import confusion, evaluation_tables, units
from tuitrain.analysis.evaluations import read_evaluations
from tuitrain.analysis.metrics.proportion import accuracy_interval
from tuitrain.analysis.text_tables import Lines
from tuitrain.errors import RunError
from tuitrain.report.blocks import Block, Charts, Section, Table, Text
from tuitrain.report.pictures import worst_pictures
from tuitrain.report.suspects import suspects
from tuitrain.runs.follower import Follower
from tuitrain.runs.records import Evaluation

# Rows of the table of classes and of the most confused pairs.
CLASSES, PAIRS = 40, 12


@dataclass(frozen=True)
class Results:
    """The most informative evaluation of a run, or None, its table of metrics, and why others cannot be read.
    `accuracy` is the headline: the value, and what it is."""

    evaluation: Evaluation | None
    metrics: Lines
    accuracy: tuple[str, str] | None
    problems: Sequence[str]


def read_results(run: Follower) -> Results:
    evaluations, problems = read_evaluations(run.folder, run.state.best)
    if not evaluations:
        return Results(None, [], None, problems)
    # NumPy is slow to import.
    from tuitrain.analysis.metrics.tables import ACCURACY, interval_text, metric_lines, title

    evaluation, lines = evaluations[0], list[list[str]]()
    try:
        lines = [list(line) for line in metric_lines(run.folder, evaluation)]
    except RunError as error:
        problems.append(str(error))
    images = sum(map(sum, evaluation.confusion))
    right = sum(row[index] for index, row in enumerate(evaluation.confusion))
    interval = interval_text(ACCURACY, accuracy_interval(right, images))
    name = f"accuracy · {title(evaluation)}" + (f" · 95 % interval {interval}" if interval else "")
    return Results(evaluation, lines, (units.percent(evaluation.accuracy), name), problems)


def result_sections(run: Follower, results: Results, number: int) -> list[Section]:
    """Return the sections; `number` is that of the run in the report, for the names of the pictures."""
    evaluation = results.evaluation
    if evaluation is None:
        advice = "" if run.folder.read_only else f" Make one with: tuitrain evaluate {run.folder.id}"
        return [Section("Metrics and predictions", [Text(f"The run has no evaluation.{advice}", "missing")])]
    return [
        Section("Metrics", _metrics(results, run)),
        Section("Classes", _classes(evaluation, number)),
        Section("Worst predictions", worst_pictures(evaluation, number)),
        Section("Suspicious labels", suspects(run, evaluation, number)),
    ]


def _metrics(results: Results, run: Follower) -> list[Block]:
    lines = [line for number, line in enumerate(results.metrics) if not number or line[1] != units.UNKNOWN]
    if not lines:
        return [Text("The metrics cannot be computed: see above.", "missing")]
    blocks: list[Block] = [Table(lines, (1, 2))]
    if not any(line[2] for line in lines[1:]):
        advice = f"Make them with: tuitrain evaluate {run.folder.id}"
        blocks.append(Text(f"There are no intervals, because the run stores no predictions. {advice}", "missing"))
    elif len(lines) > 1:
        blocks.append(
            Text("Intervals: percentile bootstrap over the images, 1,000 resamples. The result has Wilson's.")
        )
    return blocks


def _classes(evaluation: Evaluation, number: int) -> list[Block]:
    """Return the matrix of up to `MAX_CLASSES` classes, the most confused pairs, and the scores of the classes."""
    from tuitrain.report.matrix import MAX_CLASSES, matrix_chart  # Matplotlib is slow to import.

    names, blocks = evaluation.classes, list[Block]()
    if 0 < len(names) <= MAX_CLASSES:
        blocks.append(Text("Blue: correct. Orange: wrong. A stronger color: a larger share of the true class."))
        blocks.append(Charts([matrix_chart(evaluation, f"confusion-{number}")]))
    elif names:
        blocks.append(Text(f"{len(names):,} classes are too many for a matrix."))
    pairs = confusion.most_confused(evaluation.confusion, PAIRS)
    if pairs:
        lines = [["true", "predicted as", "images", "of the class"]]
        lines += [
            [names[pair.true], names[pair.predicted], units.count(pair.count), units.percent(pair.fraction)]
            for pair in pairs
        ]
        blocks.append(Table(lines, (2, 3), "Most confused"))
    else:
        blocks.append(Text("No wrong prediction."))
    head, *rows = evaluation_tables.classes(evaluation)
    title = "Scores by class"
    if len(rows) > CLASSES:
        scores = confusion.class_scores(evaluation.confusion)
        order = sorted(range(len(rows)), key=lambda index: (scores[index].f1 is None, scores[index].f1 or 0.0, index))
        rows, title = [rows[index] for index in order[:CLASSES]], f"The {CLASSES} classes with the lowest F1"
    return [*blocks, Table([head, *rows], (1, 2, 3, 4), title)]
