"""Run pip: that of this Python environment, or else the one that uv installs."""

import errno
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tuitrain.errors import PackError
from tuitrain.hosts.launch import ProgressCallback
from tuitrain.text import plain

_FULL = tuple(os.strerror(number) for number in (errno.ENOSPC, errno.EDQUOT))
# Below this number of free bytes, pip fails for reasons that it does not always print.
_LOW = 2**24
# How pip begins the line about a version that its settings exclude.
_CONSTRAINT = "The user requested (constraint) "


def pip_command() -> list[str]:
    """Return the beginning of pip's command line. Raise PackError if this machine has no pip."""
    if importlib.util.find_spec("pip"):
        # -P: the current folder may contain a pip.py.
        return [sys.executable, "-P", "-m", "pip"]
    if uv := shutil.which("uv"):
        return [uv, "tool", "run", "--python", sys.executable, "pip"]
    raise PackError(
        "Packing needs pip or uv: this Python environment has no pip, and uv is not installed.",
        f"Install pip with: {plain(sys.executable)} -m ensurepip",
    )


def run_pip(arguments: Sequence[str], temporary: Path, progress: ProgressCallback) -> None:
    """Run pip to its end, with `temporary` for its own temporary files. Raise PackError with pip's reason if it
    fails, and OSError if it has no space left."""
    command = [*pip_command(), *arguments, "--disable-pip-version-check", "--no-input", "--progress-bar=off"]
    try:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, encoding="utf-8", errors="replace", env={**os.environ, "TMPDIR": str(temporary)},
        )  # fmt: skip
    except OSError as error:
        raise PackError(f"pip cannot be started: {error.strerror}.") from None
    lines: list[str] = []
    with process:
        try:
            assert process.stdout is not None
            for line in process.stdout:
                lines.append(line.strip())
                if line.strip().startswith("Downloading "):
                    progress(f"downloading packages: {plain(lines[-1].removeprefix('Downloading '), 100)}", None)
        except BaseException:
            # ctrl+c reaches pip too, but a signal to this process alone does not.
            process.kill()
            raise
    if process.returncode:
        if any(text in line for line in lines for text in _FULL) or _is_full(temporary):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        raise PackError(
            f"pip cannot get the packages: {reason_of(lines) or f'status {process.returncode}'}.",
            "Check the network and pip's settings: pip config list",
        )


def _is_full(folder: Path) -> bool:
    try:
        return shutil.disk_usage(folder).free < _LOW
    except OSError:
        return False


def reason_of(lines: Sequence[str]) -> str:
    """Return the reason of a failure in the output of pip, without a full stop."""
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    # This line only follows the reason.
    errors = [line for line in errors if not line.startswith("ResolutionImpossible")]
    last = (errors or [line for line in lines if line] or [""])[-1]
    constraints = [line.removeprefix(_CONSTRAINT) for line in lines if line.startswith(_CONSTRAINT)]
    if constraints:
        last = f"{last.partition(' because ')[0]} because a constraint in pip's settings requires {constraints[0]}"
    return plain(last.strip().rstrip("."), 200)
