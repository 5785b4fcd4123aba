"""Processes that have imported torch already, because each import takes two seconds."""

import multiprocessing
import os
import sys
from pathlib import Path
from subprocess import CompletedProcess
from tempfile import TemporaryDirectory

from tuitrain.cli import main

server = multiprocessing.get_context("forkserver")
server.set_forkserver_preload(["tuitrain.training.run", "sklearn.datasets", "tuitrain.cli.commands.work"])


def tuitrain(home: Path, *arguments: str) -> CompletedProcess[str]:
    """Run the command line in the folder `home`."""
    with TemporaryDirectory() as folder:
        paths = [Path(folder, "stdout"), Path(folder, "stderr")]
        process = server.Process(target=_tuitrain, args=(home, arguments, dict(os.environ), paths))
        process.start()
        process.join()
        assert process.exitcode is not None
        return CompletedProcess(arguments, process.exitcode, *(path.read_text(encoding="utf-8") for path in paths))


def _tuitrain(home: Path, arguments: tuple[str, ...], environment: dict[str, str], streams: list[Path]) -> None:
    for number, path in enumerate(streams, start=1):
        with path.open("wb") as file:
            os.dup2(file.fileno(), number)
    os.chdir(home)
    # The server has the environment, and so the user's folders, of the test that started it.
    os.environ.clear()
    os.environ.update(environment)
    sys.argv[1:] = arguments
    sys.exit(main())
