"""Write the files of a run with any number of rows, without training."""

import random
from math import exp
from pathlib import Path

from tuitrain.config.schema import Config
from tuitrain.config.values import override
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.records import RunInfo, Score
from tuitrain.runs.rows import Evaluated, Train, encode
from tuitrain.runs.writer import RunWriter, create

EPOCHS = 100


def write_run(runs_dir: Path, number: int, rows: int, every: int = 10) -> RunFolder:
    """Write a finished run with `rows` training rows, one every `every` steps."""
    config = override(Config(), [f"optimizer.lr={0.001 * (1 + number % 5)}", f"training.seed={number}"])
    folder = create(runs_dir, RunInfo(id="", name=f"run-{number}", parameters=1000 * number), config)
    noise, begun, last = random.Random(number), 1.7e9, Score(0.0, 0.0)
    with folder.metrics_file.open("wb") as file:
        for row in range(1, rows + 1):
            step, seconds = every * row, 0.05 * row
            loss = (2.3 - 0.1 * (number % 10)) * exp(-3 * row / rows) + 0.3 * noise.random()
            accuracy = max(0.0, 1 - loss / 3)
            epoch = 1 + (row - 1) * EPOCHS // rows
            train = Train(step, epoch, loss, accuracy, 0.001, seconds, begun + seconds, noise.random())
            file.write(encode(train) + b"\n")
            if row % max(1, rows // EPOCHS) == 0:
                last = Score(loss, accuracy)
                file.write(encode(Evaluated("validation", step, epoch, loss, accuracy, seconds, begun + seconds)))
                file.write(b"\n")
    writer = RunWriter(folder)
    writer.update(epoch=EPOCHS, epochs=EPOCHS, step=every * rows, steps=every * rows,
                  steps_per_epoch=every * rows // EPOCHS, seconds=0.05 * rows, validation=last, train=last,
                  status="finished", now=True)  # fmt: skip
    writer.close()
    return folder
