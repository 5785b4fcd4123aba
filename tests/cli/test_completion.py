"""Completion by the tab key, in real shells."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import pexpect
import pytest

import tuitrain
from pseudo_terminal import kill
from tuitrain.runs.folder import RunFolder

HOSTILE = "\x1b]0;x\x07bad"
CONTROL = re.compile(r"\x1b(\[[0-9;?=>]*[a-zA-Z]|\][^\x07]*\x07|[=>(].?)|[\r\x07]")
ERASED = re.compile(r".\x08")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home and working folder, with the command `tuitrain` in its folder `bin`."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "tuitrain").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m tuitrain "$@"\n')
    (tmp_path / "bin" / "tuitrain").chmod(0o755)
    return tmp_path


@pytest.fixture
def environment(home: Path) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("XDG_", "ZDOTDIR"))}
    # A shell would expand this name in double quotes.
    odd = home / 'it "is" $(mine)'
    odd.mkdir()
    return kept | {"HOME": str(odd), "PATH": f"{home}/bin:{os.environ['PATH']}", "TERM": "xterm"}


def completed(shell: str, lines: Iterable[str], home: Path, environment: dict[str, str]) -> list[str]:
    """Type each line and a tab into a new shell; return what it makes of the lines."""
    process = pexpect.spawn(shell, ["-i"], cwd=home, env=environment, encoding="utf-8", dimensions=(24, 500))
    found = []
    try:
        # The shell echoes the command, whose quotes tell it from its output.
        process.sendline("echo rea''dy")
        process.expect("ready", timeout=60)
        for line in lines:
            process.send(f"{line}\t#end")
            process.expect("#end", timeout=60)
            text = ERASED.sub("", CONTROL.sub("", process.before or ""))
            found.append(text[text.rindex("tuitrain") :])
            # Clear the line, and wait for the shell to have done it.
            process.send("\x15echo ne''xt\n")
            process.expect("next", timeout=60)
    finally:
        kill(process)
    return found


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_completes_after_one_command(
    shell: str, home: Path, environment: dict[str, str], write_run: Callable[..., RunFolder]
) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed.")
    write_run("digits-best")
    startup = Path(environment["HOME"], f".{shell}rc")
    startup.write_bytes(b"# \xff is not UTF-8")
    for _ in range(2):
        subprocess.run(["tuitrain", "completion", shell], cwd=home, env=environment, check=True)
    assert startup.read_bytes().count(b"source ") == (shell != "fish")
    lines = {
        "tuitrain pau": "tuitrain pause ",
        "tuitrain show digits-b": "tuitrain show digits-best ",
        "tuitrain train --set optimizer.wei": "tuitrain train --set optimizer.weight_decay=",
        "tuitrain train --set optimizer.name=rm": "tuitrain train --set optimizer.name=rmsprop ",
    }
    assert completed(shell, lines, home, environment) == list(lines.values())


def asked(line: str, home: Path, environment: dict[str, str]) -> str:
    """Return the answer to fish, which asks by environment variables and reads descriptor 8."""
    environment = environment | {
        "_ARGCOMPLETE": "1", "_ARGCOMPLETE_SHELL": "fish", "_ARGCOMPLETE_IFS": "\n", "_ARGCOMPLETE_DFS": "\t",
        "COMP_LINE": line, "COMP_POINT": str(len(line)),
    }  # fmt: skip
    words = ["sh", "-c", "tuitrain 8>&1"]
    return subprocess.run(words, cwd=home, env=environment, capture_output=True, text=True).stdout


def test_the_settings_that_a_script_asks_for(home: Path, environment: dict[str, str]) -> None:
    with tuitrain.init(name="mine", runs_dir=home / "runs", config={"lr": 0.1}) as run:
        run.setting("lr")
    answer = asked("tuitrain set mine ", home, environment)
    assert answer.startswith("lr=")
    assert "optimizer.lr" not in answer


def test_names_that_would_control_the_terminal_are_left_out(
    home: Path, environment: dict[str, str], write_run: Callable[..., RunFolder]
) -> None:
    hostile = write_run(HOSTILE)
    write_run("harmless")
    line = "tuitrain show "
    answer = asked(line, home, environment)
    assert {"harmless", hostile.id} <= {word.partition("\t")[0] for word in answer.splitlines()}
    assert not re.search(r"[\x00-\x08\x0b-\x1f]", answer)
