"""The verdict on a run in words, and the simple classifiers that it is compared with."""

from tuitrain.analysis import units
from tuitrain.analysis.known_curve import known_curve
from tuitrain.analysis.verdict import verdict
from tuitrain.report.blocks import Block, Table, Text
from tuitrain.runs.baselines import baselines_of
from tuitrain.runs.follower import Follower
from tuitrain.runs.label_check import known_labels
from tuitrain.runs.records import ACTIVE, Evaluation


def verdict_blocks(run: Follower, evaluation: Evaluation) -> list[Block]:
    """Return the verdict on a run that has ended, otherwise nothing."""
    if run.folder.read_only or run.status in (*ACTIVE, "damaged"):
        return []
    baselines = baselines_of(run.folder, evaluation, run.info)
    found = verdict(run, evaluation, baselines, known_labels(run.folder, run.info), known_curve(run))
    blocks: list[Block] = [Text(sentence) for sentence in found.sentences]
    if baselines is None:
        return [*blocks, Text(f"Compare it with simple classifiers: tuitrain verdict {run.folder.id}", "missing")]
    rows = [[one.title, units.percent(one.accuracy)] for one in found.ranked_baselines]
    return [*blocks, Table([["simple classifier", "accuracy"], *rows], (1,))]
