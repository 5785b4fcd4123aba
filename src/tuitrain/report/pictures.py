"""The pictures of wrong predictions."""

import io

from tuitrain.analysis import units
from tuitrain.report.blocks import Block, Picture, Pictures, Text
from tuitrain.runs.records import Evaluation, Sample

MOST = 24
# Smaller pictures are enlarged by a whole factor, so that every page shows their pixels alike.
SIDE = 96


def worst_pictures(evaluation: Evaluation, number: int) -> list[Block]:
    """Return the wrong predictions with the highest losses."""
    wrong = sum(map(sum, evaluation.confusion)) - sum(row[at] for at, row in enumerate(evaluation.confusion))
    if not evaluation.worst:
        return [Text("The run stores no pictures of them." if wrong else "No wrong prediction.", "missing")]
    found = [picture for sample in evaluation.worst[:MOST] if (picture := picture_of(sample, evaluation, number))]
    about = f"{len(found):,} of {wrong:,} wrong predictions on the {evaluation.split} split, the highest loss first."
    return [Text(about), Pictures(found)] if found else [Text("Their pictures are damaged.", "missing")]


def picture_of(sample: Sample, evaluation: Evaluation, number: int) -> Picture | None:
    """Return the picture of a wrong prediction, or None if it is damaged."""
    png = png_of(sample)
    if png is None:
        return None
    true, predicted = _probability(sample.true_probability), _probability(sample.probability)
    lines = (
        f"true {evaluation.classes[sample.true]}{true}",
        f"predicted {evaluation.classes[sample.predicted]}{predicted}",
        sample.file or f"image {sample.index:,}",
    )
    return Picture(f"picture-{number}-{sample.index}", png, lines)


def _probability(value: float | None) -> str:
    return "" if value is None else f" ({units.percent(value)})".replace(" %", "\N{NO-BREAK SPACE}%")


def png_of(sample: Sample) -> bytes | None:
    """Return the enlarged thumbnail as PNG; None if its size and its bytes do not match."""
    from PIL import Image

    size = sample.width, sample.height
    if sample.channels not in (1, 3) or not all(size) or len(sample.pixels) != size[0] * size[1] * sample.channels:
        return None
    image = Image.frombytes("L" if sample.channels == 1 else "RGB", size, sample.pixels)
    factor = max(1, round(SIDE / max(size)))
    buffer = io.BytesIO()
    image.resize((size[0] * factor, size[1] * factor), Image.Resampling.NEAREST).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
