"""The run files of W&B: samples that W&B wrote, and files cut, damaged and composed by hand."""

import random
import struct
import zlib
from math import inf
from pathlib import Path

import pytest

from runs.external.following import SAMPLES, poll, read, run_at, values
from tuitrain.runs.catalog.listing import find
from tuitrain.runs.external.protobuf import put_bytes, put_double, put_int
from tuitrain.runs.external.source import Series
from tuitrain.runs.external.wandb.reader import WandbReader
from tuitrain.runs.external.wandb.record_file import BEGINNING, BLOCK

GOOD, BAD = sorted((SAMPLES / "wandb" / "wandb").glob("*run-*"))
SAMPLE = next(GOOD.glob("*.wandb"))


def chunk(kind: int, content: bytes) -> bytes:
    return struct.pack("<IHB", zlib.crc32(content, zlib.crc32(bytes([kind]))), len(content), kind) + content


def write(path: Path, records: list[bytes]) -> Path:
    """Write a file as W&B does: records that cross a block are split into chunks."""
    data = bytearray(BEGINNING)
    for record in records:
        rest, first = record, True
        while first or rest:
            left = BLOCK - len(data) % BLOCK
            if left < 7:
                data += bytes(left)
                left = BLOCK
            part, rest = rest[: left - 7], rest[left - 7 :]
            data += chunk((1 if first else 4) if not rest else 2 if first else 3, part)
            first = False
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    return path


def item(name: str, value: str) -> bytes:
    return put_bytes(1, put_bytes(2, name) + put_bytes(16, value))


def history(step: int, **items: str) -> bytes:
    return put_bytes(2, b"".join(item(name, text) for name, text in items.items()) + put_bytes(2, put_int(1, step)))


def test_all_values_that_the_run_logged() -> None:
    run = read(GOOD)
    train = [4 * epoch + step for epoch in range(4) for step in range(3)]
    assert values(run) == {
        "train/loss": [(at, 2 / number) for number, at in enumerate(train, 1)],
        "epoch": [(at, at // 4) for at in train],
        "lr": [(at, 0.1) for at in train],
        "val/loss": [(4 * epoch + 3, 1 / (epoch + 1)) for epoch in range(4)],
        "val/acc": [(4 * epoch + 3, 0.2 * epoch) for epoch in range(4)],
        "test_acc": [(15, 0.75)],
    }
    assert (run.status, run.info.name, run.info.host) == ("finished", "good", "gpu3")
    assert run.settings == {
        "optimizer.lr": 0.1,
        "data.batch_size": 32,
        "training.epochs": 4,
        "net/width": 16,
        "flag": True,
    }
    assert (run.state.epoch, run.state.steps_per_epoch) == (4, 4)
    assert run.state.test is not None
    assert run.state.test.accuracy == 0.75
    assert 0 < run.state.seconds < 10


def test_a_run_with_an_exit_code_failed() -> None:
    assert (read(BAD).status, read(BAD).info.name) == ("failed", "bad")


def test_a_run_is_found_by_its_name() -> None:
    assert find(SAMPLES / "wandb", "good").path == GOOD


def test_cut_anywhere_the_rest_is_waited_for(tmp_path: Path) -> None:
    content = SAMPLE.read_bytes()
    path = tmp_path / SAMPLE.name
    path.touch()
    run = run_at(tmp_path)
    rows = 0
    with path.open("ab") as file:
        for byte in content:
            file.write(bytes([byte]))
            file.flush()
            run.source.poll(inf)
            assert not run.source.problems
            now = len(run.source.series.get("", {}).get("train/loss", Series()).step)
            assert now >= rows
            rows = now
    assert rows == 12
    poll(run)
    assert values(run) == values(read(GOOD))


def test_records_across_blocks(tmp_path: Path) -> None:
    records = []
    for step in range(300):
        records.append(history(step, loss=str(step), text='"' + "x" * (step * 7919 % 1500) + '"'))
        # A record of output is none of ours.
        records.append(put_bytes(4, "y" * (step * 104729 % 70_000)))
    path = write(tmp_path / "run-1.wandb", records)
    assert path.stat().st_size > 100 * BLOCK
    assert values(read(tmp_path)) == {"loss": [(step, step) for step in range(300)]}


def test_values_of_the_summary_until_the_history_has_them(tmp_path: Path) -> None:
    summary = put_bytes(3, item("\x1btest/acc", "0.5") + item("_wandb", "1"))
    path = write(tmp_path / "run-1.wandb", [history(3, loss="2"), summary])
    run = read(tmp_path)
    name = "\N{REPLACEMENT CHARACTER}test/acc"
    assert values(run) == {"loss": [(3, 2)], name: [(3, 0.5)]}
    row = put_bytes(2, item("\x1btest/acc", "0.75") + put_bytes(2, put_int(1, 4)))
    with path.open("ab") as file:
        file.write(chunk(1, row))
    poll(run)
    assert values(run) == {"loss": [(3, 2)], name: [(4, 0.75)]}


@pytest.mark.parametrize("value", [{"number": 0.5}, {"integer": 2}])
def test_typed_values(tmp_path: Path, value: dict[str, float]) -> None:
    (number,) = value.values()
    field = put_double(6, number) if "number" in value else put_int(5, int(number))
    write(tmp_path / "run-1.wandb", [put_bytes(2, put_bytes(1, put_bytes(1, "loss") + field))])
    assert values(read(tmp_path)) == {"loss": [(1, number)]}


def test_damage_is_named_and_the_other_records_are_read(tmp_path: Path) -> None:
    chance = random.Random(0)
    good = SAMPLE.read_bytes()
    path = tmp_path / SAMPLE.name
    for _ in range(100):
        bad = bytearray(good)
        at = chance.randrange(len(BEGINNING), len(bad))
        bad[at] ^= 1 << chance.randrange(8)
        path.write_bytes(bad)
        reader = WandbReader(path)
        reader.poll(inf)
        # A longer length may make the file look unfinished.
        assert reader.problems or reader.ended is None, at
        assert all(f"{path.name} is damaged at byte" in problem for problem in reader.problems)


@pytest.mark.parametrize("content", [b"not a W&B file", b":W&B\xe1\xbe\x07" + b"x" * 50])
def test_another_file_is_a_damaged_run(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "run-1.wandb").write_bytes(content)
    assert read(tmp_path).problem == "run-1.wandb is damaged at byte 0: it does not begin like a W&B file."


def test_records_that_make_no_sense(tmp_path: Path) -> None:
    chance = random.Random(0)
    good = [history(1, loss="0.5"), put_bytes(17, put_bytes(8, "\x1b[31mname") + put_bytes(4, item("lr", "0.1")))]
    for _ in range(100):
        bad = bytearray(chance.choice(good))
        for _ in range(chance.randint(1, 4)):
            bad[chance.randrange(len(bad))] = chance.randrange(256)
        write(tmp_path / "run-1.wandb", [bytes(bad), good[1], history(9, loss="1")])
        run = read(tmp_path)
        assert 9 in run.train.step
        assert "\x1b" not in run.info.name
    # A shorter file is another one.
    write(tmp_path / "run-1.wandb", [history(2, loss="3")])
    poll(run)
    assert values(run) == {"loss": [(2, 3)]}
