"""Compute previews in a subprocess, which answers each configuration up to three times: first without torch, last with
the memory that the run needs."""

import threading
from collections import deque
from pathlib import Path
from typing import BinaryIO

import msgspec

from tuitrain.config.code import runs_python
from tuitrain.config.schema import Config
from tuitrain.hosts.preview.child import Child, serve_and_exit
from tuitrain.hosts.preview.preview import Preview, add_need, add_network, preview_data
from tuitrain.text import plain

# Seconds without a new configuration after which the memory is estimated: that imports torch's compiler.
IDLE = 1.0


class Request(msgspec.Struct, frozen=True):
    """A configuration to preview; its files run only with `may_run`, and the runs that it names are in `runs_dir`."""

    config: Config
    may_run: bool
    runs_dir: str = "runs"


class PreviewProcess:
    """Requests previews; a reader thread stores each answer in `latest`. Call the methods from one thread only."""

    def __init__(self, runs_dir: Path = Path("runs")) -> None:
        self._runs_dir = str(runs_dir)
        self.latest: Preview | None = None
        self._requested: Request | None = None
        self._child = Child("tuitrain.hosts.preview.process", self._receive, self._fail)

    def request(self, config: Config, *, may_run: bool = True) -> None:
        """Request a preview of `config`, unless it was requested last or an earlier answer is outstanding. Call this on
        a timer until `latest` is the preview of `config`. Pass `may_run` if the user has allowed the files that it
        names."""
        wanted = Request(config, may_run, self._runs_dir)
        is_waiting = self._requested and (self.latest is None or self.latest.config != self._requested.config)
        if is_waiting or wanted == self._requested:
            return
        self._requested = wanted
        try:
            self._child.send(msgspec.json.encode(wanted))
        except OSError as error:
            self.latest = Preview(config, problem=f"No preview: {plain(error.strerror)}.", final=True)

    def _receive(self, line: bytes) -> None:
        self.latest = msgspec.json.decode(line, type=Preview)

    def _fail(self) -> None:
        if self._requested is not None:
            config = self._requested.config
            cause = ", probably by your code" if runs_python(config) and self._requested.may_run else ""
            self.latest = Preview(config, problem=f"No preview: its process ended{cause}.", final=True)

    def close(self) -> None:
        self._child.close()


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer one JSON configuration per line of `requests`; add network and memory only to the newest one."""
    pending: deque[Preview] = deque(maxlen=1)
    arrived, lock = threading.Event(), threading.Lock()

    def answer(preview: Preview) -> None:
        with lock:
            answers.write(msgspec.json.encode(preview) + b"\n")
            answers.flush()

    def add_networks() -> None:
        while arrived.wait():
            arrived.clear()
            if pending:
                answer(network := add_network(pending.pop()))
                # While the user types, only networks are built.
                if network.network is not None and not arrived.wait(IDLE) and (known := add_need(network)).need:
                    answer(known)

    threading.Thread(target=add_networks, daemon=True).start()
    for line in requests:
        request = msgspec.json.decode(line, type=Request)
        first = preview_data(request.config, Path(request.runs_dir), may_run=request.may_run)
        answer(first)
        pending.append(first)
        arrived.set()


if __name__ == "__main__":
    serve_and_exit(serve)
