"""Previews from a process of their own.

Loading torch stops every thread of the process that does it for a while, and a thread that is inside torch when its
program ends aborts it. The process answers each configuration twice, first without torch, and ends with its standard
input.
"""

import os
import subprocess
import sys
import threading
from contextlib import suppress
from typing import BinaryIO

import msgspec

from tuitrain.config.schema import Config
from tuitrain.hosts.preview.preview import Preview, add_network, preview_data
from tuitrain.text import plain


class PreviewProcess:
    """Asks the process; `latest` is replaced, by another thread, whenever more is known. Use it from one thread."""

    def __init__(self) -> None:
        self.latest: Preview | None = None
        self._asked: Config | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def request(self, config: Config) -> None:
        """Call it as often as you like; what is asked while an answer is awaited must be asked again."""
        if config == self._asked or (self._asked and (self.latest is None or self.latest.config != self._asked)):
            return
        self._asked = config
        try:
            self._send(msgspec.json.encode(config) + b"\n")
        except OSError as error:
            self.latest = Preview(config, problem=f"No preview: {plain(error.strerror)}.", final=True)

    def _send(self, line: bytes) -> None:
        if self._process is None:
            # -P: a torch.py in the working folder is not torch.
            command = [sys.executable, "-P", "-m", "tuitrain.hosts.preview.process"]
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
            # A daemon: it waits in a read, which nothing minds at the program's end.
            threading.Thread(target=self._read, args=(self._process,), name="preview", daemon=True).start()
        assert self._process.stdin is not None
        self._process.stdin.write(line)
        self._process.stdin.flush()

    def _read(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            self.latest = msgspec.json.decode(line, type=Preview)
        process.stdout.close()
        if self._process is process and self._asked is not None:
            self.latest = Preview(self._asked, problem="No preview: its process ended.", final=True)

    def close(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            assert process.stdin is not None
            with suppress(OSError):  # what was not written yet
                process.stdin.close()


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer configurations, one a line, until there are no more; of those that wait for torch only the last."""
    newest = _Newest()
    lock = threading.Lock()

    def answer(preview: Preview) -> None:
        with lock:
            answers.write(msgspec.json.encode(preview) + b"\n")
            answers.flush()

    def look() -> None:
        while True:
            answer(add_network(newest.take()))

    threading.Thread(target=look, daemon=True).start()
    for line in requests:
        first = preview_data(msgspec.json.decode(line, type=Config))
        answer(first)
        newest.put(first)


class _Newest:
    """Holds one preview, the last that was put."""

    def __init__(self) -> None:
        self._held: list[Preview] = []
        self._there = threading.Condition()

    def put(self, preview: Preview) -> None:
        with self._there:
            self._held = [preview]
            self._there.notify()

    def take(self) -> Preview:
        with self._there:
            self._there.wait_for(lambda: self._held)
            return self._held.pop()


if __name__ == "__main__":
    # The answers' own descriptor: what torch prints must not get between them.
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    try:
        serve(sys.stdin.buffer, out)
    finally:
        os._exit(0)
