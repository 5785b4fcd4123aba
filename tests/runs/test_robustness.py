"""`evaluation/robustness.json`."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from tuitrain.errors import RunError
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.robustness import Robustness, read_robustness, robustness_file, write_robustness

WriteRun = Callable[..., RunFolder]
FIVE = (0.8, 0.7, 0.6, 0.5, 0.4)
RECORD = Robustness(
    split="test",
    checkpoint="best",
    epoch=3,
    step=60,
    images=100,
    fingerprint="0a1b",
    benchmark="CIFAR-10-C",
    clean=0.9,
    corrupted={"noise": FIVE, "blur": (0.2,) * 5, "brightness": FIVE, "jpeg": FIVE},
)


def test_records_of_both_splits_are_kept(write_run: WriteRun) -> None:
    folder = write_run("one")
    assert read_robustness(folder) == {}
    validation = msgspec.structs.replace(RECORD, split="validation")
    for record in (validation, RECORD):
        write_robustness(folder, record)
    assert read_robustness(folder) == {"validation": validation, "test": RECORD}
    assert RECORD.mean == pytest.approx((3 * 0.6 + 0.2) / 4)


def test_a_record_is_current_while_its_weights_are_those_of_the_run(write_run: WriteRun) -> None:
    state = write_run("one").state()
    assert RECORD.is_current(state)
    last = msgspec.structs.replace(RECORD, checkpoint="last")
    assert last.is_current(state)
    state.step += 20
    assert RECORD.is_current(state)
    assert not last.is_current(state)
    state.best = None
    assert not RECORD.is_current(state)


@pytest.mark.parametrize(
    "content",
    [
        b"\xff", b"[]", b'{"test": {}}', b'{"train": {}}', b"[" * 100_000,
        msgspec.json.encode({"validation": RECORD}),
        msgspec.json.encode({"test": msgspec.to_builtins(RECORD) | {"clean": 1.5}}),
        msgspec.json.encode({"test": msgspec.to_builtins(RECORD) | {"benchmark": "\x1b[31m"}}),
        msgspec.json.encode({"test": msgspec.to_builtins(RECORD) | {"corrupted": {}}}),
        msgspec.json.encode({"test": msgspec.to_builtins(RECORD) | {"corrupted": {"\x1b[2J": FIVE}}}),
        msgspec.json.encode({"test": msgspec.to_builtins(RECORD) | {"corrupted": {"noise": FIVE[:4]}}}),
    ],
)  # fmt: skip
def test_a_damaged_file_is_one_sentence_and_can_be_replaced(write_run: WriteRun, content: bytes) -> None:
    folder = write_run("one")
    robustness_file(folder).write_bytes(content)
    with pytest.raises(RunError, match=r"^robustness\.json is damaged: ") as error:
        read_robustness(folder)
    assert "\x1b" not in str(error.value)
    write_robustness(folder, RECORD)
    assert read_robustness(folder) == {"test": RECORD}


def test_links_are_not_followed(write_run: WriteRun, tmp_path: Path) -> None:
    folder = write_run("one")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    folder.evaluations.rename(tmp_path / "own")
    folder.evaluations.symlink_to(elsewhere)
    with pytest.raises(OSError):
        write_robustness(folder, RECORD)
    assert not list(elsewhere.iterdir())
