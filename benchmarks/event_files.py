"""Read a curve of 100,000 points from an event file, compared with TensorBoard's own reader.

    uv run python benchmarks/event_files.py [--quick] [--write]

Both read the same file alternately; times are CPU times of the process.
"""

import statistics
import tempfile
import time
from pathlib import Path

from claims import Claim, at_least, at_most, figure, report
from tuitrain.runs.catalog.follow import follow
from tuitrain.runs.external.folder import ExternalFolder
from tuitrain.runs.external.format import Found
from tuitrain.runs.external.protobuf import put_bytes, put_double, put_float, put_int
from tuitrain.runs.external.tensorboard.format import TENSORBOARD
from tuitrain.runs.external.tensorboard.tfrecord import record

POINTS = 100_000
ROUNDS, QUICK = 7, 3


def write(folder: Path) -> None:
    folder.mkdir()
    with (folder / "events.out.tfevents.1700000000.host.1.0").open("wb") as file:
        for step in range(POINTS):
            for tag, value in (("train/loss", 1 / (step + 1)), ("train/learning_rate", 0.001)):
                summary = put_bytes(1, put_bytes(1, tag) + put_float(2, value))
                file.write(record(put_double(1, 1.7e9 + step) + put_int(2, step) + put_bytes(5, summary)))


def ours(folder: Path) -> float:
    begun = time.process_time()
    run = follow(ExternalFolder(TENSORBOARD, Found(folder)), brief=True)
    while run.poll():
        pass
    taken = time.process_time() - begun
    assert len(run.train) == POINTS
    return taken


def theirs(folder: Path) -> float:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    begun = time.process_time()
    reader = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    reader.Reload()
    taken = time.process_time() - begun
    assert len(reader.Scalars("train/loss")) == POINTS
    return taken


def claims(quick: bool) -> list[Claim]:
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent) / "run"
        write(folder)
        pairs = [(ours(folder), theirs(folder)) for _ in range(QUICK if quick else ROUNDS)]
    mine, other = (statistics.median(times) / 2 for times in zip(*pairs, strict=True))
    return [
        at_most("read a curve of 100,000 points", 1.0, mine, "s"),
        figure("the same by TensorBoard's EventAccumulator", other, "s"),
        at_least("TensorBoard's reader / tuitrain", 3.0, other / mine),
    ]


if __name__ == "__main__":
    report(__file__, claims)
