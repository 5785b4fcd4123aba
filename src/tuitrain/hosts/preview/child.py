"""Exchange lines with a module of tuitrain that runs in a subprocess.

`import torch` blocks all threads of its process, and a thread that runs torch code at exit aborts the process. The
subprocess exits when its standard input is closed.
"""

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import BinaryIO, Generic, Protocol, TypeVar

import msgspec

from tuitrain.errors import TuitrainError
from tuitrain.text import plain


class Child:
    """A subprocess that runs `module`, started by the first line, and again if it has died. A reader thread calls
    `receive` with each line that the subprocess writes, and `ended` when it has died. Call the methods from one thread
    only."""

    def __init__(self, module: str, receive: Callable[[bytes], object], ended: Callable[[], object]) -> None:
        self._module, self._receive, self._ended = module, receive, ended
        self._process: subprocess.Popen[bytes] | None = None

    def send(self, line: bytes) -> None:
        """Write a line to the subprocess. Raises OSError."""
        if self._process is None or self._process.poll() is not None:
            # -P: the user's folder may contain a torch.py.
            command = [sys.executable, "-P", "-m", self._module]
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
            # A daemon thread, because it blocks in a read when the program exits.
            threading.Thread(target=self._read, args=(self._process,), name=self._module, daemon=True).start()
        assert self._process.stdin is not None
        self._process.stdin.write(line + b"\n")
        self._process.stdin.flush()

    def _read(self, process: "subprocess.Popen[bytes]") -> None:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                self._receive(line)
        finally:
            # The next line starts a new process.
            process.kill()
            process.stdout.close()
            process.wait()
            if self._process is process:
                self._ended()

    def close(self) -> None:
        """Kill the process without waiting: while it reads from a dead file server, it cannot be killed."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            assert process.stdin is not None
            with suppress(OSError):  # unwritten data cannot be flushed to a dead process
                process.stdin.close()


Request = TypeVar("Request", bound=msgspec.Struct)


class Answered(Protocol):
    """An answer names its request."""

    @property
    def request(self) -> msgspec.Struct: ...


Answer = TypeVar("Answer", bound=Answered)


class Requests(Generic[Request, Answer]):
    """Sends requests to a subprocess that runs `module`; a reader thread stores each answer to the newest one in
    `latest`. `fail` makes the answer for a problem. Call the methods from one thread only."""

    def __init__(self, module: str, answer: type[Answer], fail: Callable[[Request, str], Answer]) -> None:
        self.latest: Answer | None = None
        self._requested: Request | None = None
        self._answer, self._problem = answer, fail
        self._child = Child(module, self._receive, self._fail)

    def request(self, request: Request) -> None:
        """Send a request, unless it was sent last. The process answers the newest request first."""
        if request == self._requested:
            return
        self._requested = request
        self.wait(request)
        try:
            self._child.send(msgspec.json.encode(request))
        except OSError as error:
            self.latest = self._problem(request, plain(error.strerror))

    def wait(self, request: Request) -> None:
        """Change `latest` until the first answer to `request` arrives; by default, it stays."""

    def _receive(self, line: bytes) -> None:
        answer = msgspec.json.decode(line, type=self._answer)
        if answer.request == self._requested:
            self.latest = answer

    def _fail(self) -> None:
        if self._requested is not None:
            self.latest = self._problem(self._requested, "its process ended")

    def close(self) -> None:
        self._child.close()


def problem_of(error: BaseException) -> str:
    """Return a message for an error in a request. The user's code may raise anything, also SystemExit, which must not
    end the subprocess."""
    return plain(error) if isinstance(error, TuitrainError) else plain(f"{type(error).__name__}: {error}", 200)


def serve_and_exit(serve: Callable[[BinaryIO, BinaryIO], object]) -> None:
    """Call `serve` with the requests and the answers of this subprocess, and end it without waiting for threads."""
    # Answers get a separate descriptor, so that output of torch cannot mix with them.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    try:
        serve(sys.stdin.buffer, answers)
    finally:
        os._exit(0)
