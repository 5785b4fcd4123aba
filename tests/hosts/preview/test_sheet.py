"""Sheets of augmented images, rendered in a subprocess."""

import signal
import time
from pathlib import Path

import pytest

from tuitrain.config.schema import Config
from tuitrain.config.values import override
from tuitrain.hosts.preview.sheet import ORIGINALS, VARIANTS, Request, Sheet, SheetProcess, render

DIGITS = Request(override(Config(), ["data.augment=[rotate]"]))


def answer(process: SheetProcess, request: Request) -> Sheet:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if process.latest is not None and process.latest.request == request:
            return process.latest
        process.request(request)
        time.sleep(0.02)
    raise AssertionError("no answer")


def test_the_process_renders_sheets_and_is_replaced_if_it_dies() -> None:
    process = SheetProcess()
    try:
        process.request(DIGITS)
        assert process.waiting
        # A request waits for the answer to the one before.
        process.request(Request(DIGITS.config, 1))
        first = answer(process, DIGITS)
        assert not process.waiting
        assert first == render(DIGITS)
        assert len(first.rows) == ORIGINALS
        assert all(len(row.variants) == VARIANTS for row in first.rows)
        assert process._child._process is not None
        # A stopped process cannot answer before it dies.
        process._child._process.send_signal(signal.SIGSTOP)
        process.request(Request(DIGITS.config, 2))
        process._child._process.kill()
        assert answer(process, Request(DIGITS.config, 2)).problem == "No sheet: its process ended."
        assert answer(process, Request(DIGITS.config, 3)).rows
    finally:
        process.close()


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        (("data.dataset=mnist",), "mnist is not downloaded yet: start a run first."),
        (("data.dataset=image-folder", "data.dir=/nowhere"), "There is no folder /nowhere"),
    ],
)
def test_problems_are_sentences(settings: tuple[str, ...], problem: str) -> None:
    sheet = render(Request(override(Config(), settings)))
    assert sheet.problem.startswith(problem)
    assert sheet.rows == ()


def test_the_code_of_a_data_set_runs_only_if_allowed(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "from pathlib import Path\nimport torch\n\n"
        "def data():\n    Path(__file__).with_name('ran').touch()\n"
        "    images = torch.randint(0, 256, (40, 3, 8, 8), dtype=torch.uint8)\n"
        "    return {'train': (images, torch.arange(40) % 2), 'classes': ['a', 'b']}\n"
    )
    config = override(Config(), [f"data.dataset={tmp_path}/mine.py:data", "data.augment=[flip]"])
    assert "once you have allowed its code" in render(Request(config)).problem
    assert not (tmp_path / "ran").exists()
    sheet = render(Request(config, may_run=True))
    assert not sheet.problem
    assert {row.label for row in sheet.rows} == {"a", "b"}
    assert (tmp_path / "ran").exists()
