"""Processes that have imported torch already, because each import takes two seconds."""

import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from subprocess import CompletedProcess
from tempfile import TemporaryDirectory

from tuitrain.cli import main

server = multiprocessing.get_context("forkserver")
server.set_forkserver_preload(
    ["tuitrain.training.run", "sklearn.datasets", "tuitrain.cli.commands.work", "tuitrain.app.app",
     "tuitrain.screens.new_run.screen", "tuitrain.screens.training"]
)  # fmt: skip


class Process:
    """The command line in the folder `home`, as the leader of a session, with what tests use of `subprocess.Popen`.

    `streams` are the files of stdin, stdout and stderr. A terminal among them controls the process.
    """

    def __init__(
        self, home: Path, *arguments: str, streams: Sequence[str | Path], environment: dict[str, str] | None = None
    ) -> None:
        # The server has the environment, and so the user's folders, of the test that started it.
        given = (home, arguments, list(map(str, streams)), environment or dict(os.environ))
        self._process = server.Process(target=_tuitrain, args=given)
        self._process.start()
        assert self._process.pid is not None
        self.pid = self._process.pid

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired("tuitrain", timeout or 0.0)
        return self._process.exitcode

    def send_signal(self, number: signal.Signals) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def tuitrain(home: Path, *arguments: str, stdout: str | Path = "") -> CompletedProcess[str]:
    """Run the command line in the folder `home`; return what it writes, except to a given file."""
    with TemporaryDirectory() as folder:
        written, messages = Path(stdout or f"{folder}/stdout"), Path(folder, "stderr")
        status = Process(home, *arguments, streams=(os.devnull, written, messages)).wait()
        output = "" if stdout else written.read_text(encoding="utf-8")
        return CompletedProcess(arguments, status, output, messages.read_text(encoding="utf-8"))


def _tuitrain(home: Path, arguments: tuple[str, ...], streams: list[str], environment: dict[str, str]) -> None:
    os.setsid()
    for number, (name, path) in enumerate(zip(("stdin", "stdout", "stderr"), streams, strict=True)):
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT if number else os.O_RDONLY, 0o600)
        os.dup2(descriptor, number)
        os.close(descriptor)
        stream = open(number, "w" if number else "r", encoding="utf-8", closefd=False)  # noqa: SIM115
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    os.chdir(home)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv[1:] = arguments
    sys.exit(main())
