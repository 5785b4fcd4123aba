"""Fixtures that write run folders without training, for tests of screens and commands."""

import time
from collections.abc import Callable
from math import nan
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tuitrain.config.schema import Config
from tuitrain.config.values import override
from tuitrain.runs.catalog.listing import Entry, all_folders, entry
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.follower import Curve
from tuitrain.runs.owner import read_owner
from tuitrain.runs.process import this_process
from tuitrain.runs.records import Best, Evaluation, RunInfo, Sample, Score
from tuitrain.runs.rows import Evaluated, Train
from tuitrain.runs.writer import RunWriter, create, encode_pretty

STEPS = 20
ENDED = ("finished", "stopped", "failed")


def evaluation(split: str, which: str, accuracy: float, classes: list[str]) -> Evaluation:
    size = len(classes)
    confusion = [[90 if row == column else 1 for column in range(size)] for row in range(size)]
    worst = [Sample(7, 0, size - 1, 0.97, 4, 4, 1, bytes(range(0, 256, 16)), 3.5066)]
    return Evaluation(
        split=split,  # type: ignore[arg-type]
        checkpoint=which,  # type: ignore[arg-type]
        epoch=3,
        step=3 * STEPS,
        loss=0.25,
        accuracy=accuracy,
        classes=classes,
        confusion=confusion,
        worst=worst,
    )


def list_runs(runs_dir: Path) -> list[Entry]:
    """Return all runs of a folder, newest first."""
    return [entry(folder) for folder in all_folders(runs_dir)]


def owner_pid(folder: RunFolder) -> int | None:
    """Return the pid in the run's owner file, whether the process exists or not; None if there is no owner."""
    owner = read_owner(folder.path / "owner.json")
    return None if owner is None else owner.process.pid


def add_row(curve: Curve, step: int, **values: float | None) -> None:
    """Append a row to the curve, with NaN in all columns without a value."""
    curve.step.append(step)
    for name, column in curve.columns.items():
        value = values.get(name)
        column.append(nan if value is None else value)


def write_rows(writer: RunWriter, epochs: int) -> None:
    """Append the rows of `epochs` whole epochs."""
    first = writer.state.epoch
    for epoch in range(first, first + epochs):
        for step in range(epoch * STEPS + 1, (epoch + 1) * STEPS + 1, 5):
            loss, now = 2 / (1 + step / 10), time.time()
            writer.row(Train(step, epoch + 1, loss, 1 - loss / 3, 0.1, step / 10, now, 0.3, (0.1, 0.2)))
        score = Score(1 / (1 + epoch), 0.8 + epoch / 100)
        writer.row(
            Evaluated("validation", step, epoch + 1, score.loss, score.accuracy, step / 10, time.time(), best=True)
        )
        writer.log(f"epoch {epoch + 1} done")
        writer.update(epoch=epoch + 1, step=(epoch + 1) * STEPS, seconds=2.0 * (epoch + 1), train=score, now=True)


@pytest.fixture
def runs_dir(tmp_path: Path) -> Path:
    return tmp_path / "runs"


@pytest.fixture
def write_run(runs_dir: Path) -> Callable[..., RunFolder]:
    """`write_run(name, status=…, dead=…)` writes a run of three epochs of 20 steps; an active run has done two."""

    def write(
        name: str = "one",
        *settings: str,
        status: str = "finished",
        dead: bool = False,
        id: str = "",
        classes: list[str] | None = None,
        evaluations: tuple[tuple[str, str, float], ...] = (("test", "last", 0.9),),
        **state: Any,
    ) -> RunFolder:
        names = classes or [str(digit) for digit in range(10)]
        info = RunInfo(id="", name=name, layers=["first", "last"], parameters=1234, model="mlp", classes=names)
        folder = create(runs_dir, info, override(Config(), ["training.epochs=3", *settings]))
        if id:
            folder = RunFolder(folder.path.rename(runs_dir / id))
        writer = RunWriter(folder)
        writer.update(status="running", epochs=3, steps=3 * STEPS, steps_per_epoch=STEPS, started=time.time(), now=True)
        write_rows(writer, 3 if status in ENDED else 2)
        ended = status in ENDED
        if ended:
            for split, which, accuracy in evaluations:
                folder.write_evaluation(evaluation(split, which, accuracy, names))
            test = state.get("test", Score(0.25, 0.9))
            best = Best(3, 3 * STEPS, Score(0.33, 0.82), test)
            writer.update(test=test, validation=Score(0.33, 0.82), best=best)
        writer.update(status=status, ended=time.time() if ended else None, now=True, **state)
        writer.close()
        (folder.checkpoints / "last.safetensors").touch()
        if dead:
            gone = msgspec.structs.replace(this_process(), born=1.0)
            folder.state_file.write_bytes(encode_pretty(msgspec.structs.replace(folder.state(), process=gone)))
        return folder

    return write
