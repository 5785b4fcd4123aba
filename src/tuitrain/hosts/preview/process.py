"""Compute previews in a subprocess.

`import torch` blocks all threads of its process, and a thread that runs torch code at exit aborts the process. The
subprocess answers each configuration twice, first without torch, and exits when its standard input is closed.
"""

import os
import subprocess
import sys
import threading
from collections import deque
from contextlib import suppress
from typing import BinaryIO

import msgspec

from tuitrain.config.schema import Config
from tuitrain.hosts.preview.preview import Preview, add_network, preview_data
from tuitrain.text import plain


class Request(msgspec.Struct, frozen=True):
    """A configuration to preview; its files run only with `may_run`."""

    config: Config
    may_run: bool


class PreviewProcess:
    """Requests previews; a reader thread stores each answer in `latest`. Call the methods from one thread only."""

    def __init__(self) -> None:
        self.latest: Preview | None = None
        self._requested: Request | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def request(self, config: Config, *, may_run: bool = True) -> None:
        """Request a preview of `config`, unless it was requested last or an earlier answer is outstanding. Call this on
        a timer until `latest` is the preview of `config`. Pass `may_run` if the user has allowed the files that it
        names."""
        wanted = Request(config, may_run)
        is_waiting = self._requested and (self.latest is None or self.latest.config != self._requested.config)
        if is_waiting or wanted == self._requested:
            return
        self._requested = wanted
        try:
            self._send(msgspec.json.encode(wanted) + b"\n")
        except OSError as error:
            self.latest = Preview(config, problem=f"No preview: {plain(error.strerror)}.", final=True)

    def _send(self, line: bytes) -> None:
        if self._process is None or self._process.poll() is not None:
            # -P: the user's folder may contain a torch.py.
            command = [sys.executable, "-P", "-m", "tuitrain.hosts.preview.process"]
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
            # A daemon thread, because it blocks in a read when the program exits.
            threading.Thread(target=self._read, args=(self._process,), name="preview", daemon=True).start()
        assert self._process.stdin is not None
        self._process.stdin.write(line)
        self._process.stdin.flush()

    def _read(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                self.latest = msgspec.json.decode(line, type=Preview)
        finally:
            # The next request starts a new process.
            process.kill()
            process.stdout.close()
            process.wait()
            if self._process is process and self._requested is not None:
                problem = "No preview: its process ended."
                self.latest = Preview(self._requested.config, problem=problem, final=True)

    def close(self) -> None:
        """Kill the process without waiting: while it reads from a dead file server, it cannot be killed."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            assert process.stdin is not None
            with suppress(OSError):  # unwritten data cannot be flushed to a dead process
                process.stdin.close()


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer one JSON configuration per line of `requests`; add the network only to the newest one."""
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
                answer(add_network(pending.pop()))

    threading.Thread(target=add_networks, daemon=True).start()
    for line in requests:
        request = msgspec.json.decode(line, type=Request)
        first = preview_data(request.config, may_run=request.may_run)
        answer(first)
        pending.append(first)
        arrived.set()


if __name__ == "__main__":
    # Answers get a separate descriptor, so that output of torch cannot mix with them.
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    try:
        serve(sys.stdin.buffer, out)
    finally:
        os._exit(0)
