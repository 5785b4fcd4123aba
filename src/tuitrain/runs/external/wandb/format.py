"""Folders of W&B runs, offline or synchronized."""

import re
import time
from contextlib import suppress
from pathlib import Path

from tuitrain.runs.external.format import Format, Found, Listing
from tuitrain.runs.external.source import Source
from tuitrain.text import plain

_FILE = re.compile(r"run-.*\.wandb")
_START = re.compile(r"run-(\d{8}_\d{6})")


class WandbFormat(Format):
    """A folder such as wandb/offline-run-20261130_101500-abc123 with a .wandb file is a run."""

    title = "W&B's run file"

    def runs(self, listing: Listing) -> list[Found]:
        return [Found(listing.path, key=name) for name in listing.files if _FILE.fullmatch(name)][:1]

    def parts(self, listing: Listing) -> list[str]:
        return listing.folders

    def files(self, run: Found) -> list[Path]:
        return [run.path / run.key]

    def start_key(self, run: Found) -> str:
        """Return the time in the name of the folder."""
        start = _START.search(run.path.name)
        with suppress(ValueError, OverflowError):
            return f"{time.mktime(time.strptime(start[1], '%Y%m%d_%H%M%S')):017.6f}" if start else ""
        return ""

    def name(self, run: Found) -> str:
        """Return the name that the user or W&B gave the run."""
        from tuitrain.runs.external.wandb import messages
        from tuitrain.runs.external.wandb.record_file import RecordFile

        names: list[str] = []

        def take(data: bytes) -> None:
            with suppress(ValueError):
                number, content = messages.record(data)
                if number == messages.RUN:
                    names.append(messages.run(content).name)

        with suppress(OSError):
            # The first chunk contains the record of the run.
            RecordFile(run.path / run.key, take).poll(0.0)
        return plain(names[-1], 100) if names else ""

    def open(self, run: Found) -> Source:
        from tuitrain.runs.external.wandb.reader import WandbReader

        return WandbReader(run.path / run.key)


WANDB = WandbFormat()
