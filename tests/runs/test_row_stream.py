"""An export reads the rows that a follower shows, in memory that does not grow with the run."""

import random
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tuitrain.config.schema import Config
from tuitrain.hosts.export import Format, export
from tuitrain.runs import rows_csv
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.follower import Follower
from tuitrain.runs.records import RunInfo
from tuitrain.runs.row_stream import SPLITS, CurveRows, FileRows
from tuitrain.runs.rows import Evaluated, Event, LayerStatistics, Row, Train, encode
from tuitrain.runs.writer import create

# Bytes of metrics that are read at a time.
SMALL_CHUNK = 2**15


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return create(tmp_path / "runs", RunInfo(id="", name="one", layers=["a", 'b, "c"']), Config())


def write(folder: RunFolder, lines: Iterator[bytes]) -> None:
    folder.metrics_file.write_bytes(b"".join(line + b"\n" for line in lines))


def eventful(draw: random.Random, steps: int) -> Iterator[bytes]:
    """Rows of a run that was resumed many times, with damaged lines, unknown values and a clock that is set back."""
    step = 0
    while step < steps:
        step += draw.randint(1, 4)
        now = draw.choice((1e9, 1e9 + step, 1e9 + step / 3))
        loss, norm = (draw.choice((None, 0.0, 1e-5, 2.0, draw.random())) for _ in range(2))
        layers = tuple(draw.choice((None, 1.0, draw.random())) for _ in range(draw.randint(0, 3)))
        row: Row = Train(step, 1 + step // 9, loss, 1.0, 0.1, now - 1e9, now, norm, layers)
        if draw.random() < 0.1:
            yield encode(LayerStatistics(step, 1, 1.0, 2.0, layers))
        yield encode(row) if draw.random() > 0.05 else b"{damaged"
        if draw.random() < 0.1:
            split = draw.choice(SPLITS[1:])
            yield encode(Evaluated(split, step - draw.randint(0, 3), 1, loss, 0.5, 1.0, now, best=draw.random() < 0.5))
        if draw.random() < 0.05:
            step = max(0, step - draw.randint(0, 30))
            yield encode(Event("continued", step, 1, now))


def followed(folder: RunFolder) -> Follower:
    run = Follower(folder)
    while run.poll():
        pass
    return run


@pytest.mark.parametrize("seed", range(20))
def test_the_same_rows_from_the_file_and_from_a_follower(
    folder: RunFolder, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tuitrain.runs.files.CHUNK", 2000)
    draw = random.Random(seed)
    write(folder, eventful(draw, 400 * (seed > 0)))
    run, stream = followed(folder), FileRows(folder)
    assert "".join(rows_csv.blocks(run.info, stream)) == rows_csv.text(run)
    curves = CurveRows(run)
    for split in SPLITS:
        # Values of replaced rows are known, too, as long as any remains.
        assert curves.known(split) <= stream.known(split)


def test_rows_that_a_running_run_adds_during_the_export_are_left_out(folder: RunFolder) -> None:
    write(folder, (encode(Train(step, 1, 0.5, 0.5, 0.1, 1.0, 2.0)) for step in (1, 2)))
    stream = FileRows(folder)
    with folder.metrics_file.open("ab") as file:
        for row in (Event("continued", 0, 1, 3.0), Train(3, 1, 0.5, 0.5, 0.1, 1.0, 2.0, 0.1, (0.1,))):
            file.write(encode(row) + b"\n")
    assert [row.step for row in stream.rows("train")] == [1, 2]


def peak(folder: RunFolder, rows: int, work: Callable[[], object]) -> int:
    """Write a run of so many rows, and return the largest number of bytes that `work` holds at a time."""
    write(folder, (encode(Train(1 + row, 1, 0.5, 0.5, 0.1, 1.0, 2.0, 0.3, (0.1, 0.2))) for row in range(rows)))
    work()
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def grows(folder: RunFolder, work: Callable[[], object], rows: int = 1_000) -> bool:
    """Return whether four times as many rows, several chunks in either case, take clearly more memory."""
    few = peak(folder, rows, work)
    assert folder.metrics_file.stat().st_size > 2 * SMALL_CHUNK
    return peak(folder, 4 * rows, work) > 1.5 * few


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tuitrain.runs.files.CHUNK", SMALL_CHUNK)


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize("format", ["csv", "tensorboard"])
def test_memory_of_an_export_does_not_grow_with_the_rows(folder: RunFolder, format: Format, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert not grows(folder, lambda: export(folder, format, out, force=True))


def test_memory_of_the_progress_of_a_resumed_run_does_not_grow_with_the_rows(folder: RunFolder) -> None:
    # So many that the rows of a whole run take more memory than a chunk.
    assert not grows(folder, lambda: Follower(folder, metrics=False).poll(), 20_000)
    assert grows(folder, lambda: followed(folder), 20_000)
