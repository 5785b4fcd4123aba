"""The section about the accuracy on corrupted images, if it was measured."""

from tuitrain.analysis.robustness import summary, table
from tuitrain.errors import RunError
from tuitrain.report.blocks import Block, Section, Table, Text
from tuitrain.runs.follower import Follower
from tuitrain.runs.robustness import read_robustness


def robustness_sections(run: Follower) -> list[Section]:
    """Return a section with the stored accuracies of each split, or nothing."""
    if run.folder.read_only:
        return []
    try:
        records = read_robustness(run.folder).values()
    except RunError as error:
        return [Section("Corrupted images", [Text(str(error), "warning")])]
    blocks: list[Block] = []
    for record in records:
        blocks.append(Text(summary(record)))
        if not record.is_current(run.state):
            blocks.append(Text("The run has continued since then.", "warning"))
        lines = table(record)
        blocks.append(Table(lines, range(1, len(lines[0])), "Accuracy by kind and strength of the corruption"))
    return [Section("Corrupted images", blocks)] if blocks else []
