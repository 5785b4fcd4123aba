"""`tuitrain runs --watch`."""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pexpect
import pytest

from tuitrain.cli.parser import parse
from tuitrain.errors import ConfigError
from tuitrain.runs.folder import RunFolder

# Lines break again, the cursor is visible, and the screen is the one from before.
RESTORED = "\x1b[?7h\x1b[?25h\x1b[?1049l"


def test_the_table_follows_the_runs_until_ctrl_c(runs_dir: Path, write_run: Callable[..., RunFolder]) -> None:
    write_run("first")
    words = ["-m", "tuitrain", "runs", "--watch", "--columns", "run", "--runs-dir", str(runs_dir)]
    process = pexpect.spawn(sys.executable, words, encoding="utf-8", timeout=60, dimensions=(24, 100))
    process.expect("first")
    write_run("second")
    process.expect("second")
    process.sendintr()
    # The terminal is as before, with the last table on it.
    process.expect_exact(RESTORED)
    process.expect("second")
    process.expect(pexpect.EOF)
    process.close()
    assert process.exitstatus == 0


def test_the_end_by_a_signal_restores_the_terminal(runs_dir: Path, write_run: Callable[..., RunFolder]) -> None:
    for number in range(8):
        write_run(f"run-{number}")
    words = ["-m", "tuitrain", "runs", "--watch", "--runs-dir", str(runs_dir)]
    # Without `env`, the process would inherit the LINES that readline sets.
    process = pexpect.spawn(
        sys.executable, words, encoding="utf-8", timeout=60, dimensions=(6, 40), env=dict(os.environ)
    )
    # Rows that are wider than the terminal would otherwise take several lines.
    process.expect_exact("\x1b[?7l")
    process.expect_exact("and 5 more")
    process.kill(signal.SIGTERM)
    process.expect_exact(RESTORED)
    process.expect(pexpect.EOF)
    process.close()
    assert process.exitstatus == 130


def test_it_needs_a_terminal(runs_dir: Path) -> None:
    options = parse(["runs", "--watch", "--runs-dir", str(runs_dir)])
    with pytest.raises(ConfigError, match="--watch needs a terminal"):
        options.run(options)
