"""One rank of a run on several devices: a process that the leading process of its machine starts."""

import os
import threading
import time
from contextlib import ExitStack
from pathlib import Path

from tuitrain.config.schedule import Extension
from tuitrain.hosts.log_capture import LogCapture
from tuitrain.hosts.trust import allowed_code
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.writer import log_line
from tuitrain.text import plain

# Seconds between two looks at the process that started this one.
_WATCH_INTERVAL = 0.2


def work_as_rank(
    folder: RunFolder, devices: list[str], exchange: Path, epochs: int | None, schedule: Extension, allowed_key: str
) -> int:
    """Train as one rank and return its exit status. On another than the leading node, `tuitrain join` shows what the
    rank prints: machines that append to one log on a network file system would overwrite each other's lines."""
    with allowed_code(folder, folder.config(), allowed_key), ExitStack() as captured:
        if os.environ.get("GROUP_RANK", "0") == "0":
            captured.enter_context(LogCapture()).redirect_to(folder.log_file)
        from tuitrain.hosts.launch import obey_and_prepare
        from tuitrain.training.distributed.group import LostRankError
        from tuitrain.training.distributed.rank import train_rank

        try:
            outcome = train_rank(folder, devices, exchange, obey_and_prepare, epochs, schedule)
        except LostRankError as error:
            reason = plain(str(error).partition("\n")[0], 200)
            print(log_line(f"another rank is gone: {reason}", detail=True), end="", flush=True)  # noqa: T201
            return 1
        return 1 if outcome.status == "failed" else 0


def end_with(launcher: int) -> None:
    """End this process as soon as its parent, the launcher, is gone, which alone can end the other ranks."""

    def watch() -> None:
        while os.getppid() == launcher:
            time.sleep(_WATCH_INTERVAL)
        os._exit(1)

    threading.Thread(target=watch, name="end-with-launcher", daemon=True).start()
