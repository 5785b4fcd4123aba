"""`tuitrain runs --watch`."""

import sys
from collections.abc import Callable
from pathlib import Path

import pexpect
import pytest

from tuitrain.cli.parser import parse
from tuitrain.errors import ConfigError
from tuitrain.runs.folder import RunFolder


def test_the_table_follows_the_runs_until_ctrl_c(runs_dir: Path, write_run: Callable[..., RunFolder]) -> None:
    write_run("first")
    words = ["-m", "tuitrain", "runs", "--watch", "--columns", "run", "--runs-dir", str(runs_dir)]
    process = pexpect.spawn(sys.executable, words, encoding="utf-8", timeout=60, dimensions=(24, 100))
    process.expect("first")
    write_run("second")
    process.expect("second")
    process.sendintr()
    # The terminal is as before, with the last table on it.
    process.expect_exact("\x1b[?25h\x1b[?1049l")
    process.expect("second")
    process.expect(pexpect.EOF)
    process.close()
    assert process.exitstatus == 0


def test_it_needs_a_terminal(runs_dir: Path) -> None:
    options = parse(["runs", "--watch", "--runs-dir", str(runs_dir)])
    with pytest.raises(ConfigError, match="--watch needs a terminal"):
        options.run(options)
