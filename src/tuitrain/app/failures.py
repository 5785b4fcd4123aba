"""Report exceptions that no screen raises: those of threads, workers, tasks and callbacks of the event loop.

An exception in a task, a callback or the thread that writes to the terminal closes the app, as one in a screen does.
The app survives an exception in any other thread or in a worker: it shows the error and saves the traceback.
"""

import asyncio
import sys
import threading
from functools import partial
from typing import Any

from tuitrain.errors import save_traceback
from tuitrain.text import plain
from tuitrain.widgets.terminal.painter import PaintedApp
from tuitrain.widgets.terminal.textual_internals import is_writer, write_until_closed

# Seconds for which an unexpected error is shown.
FAILURE_SECONDS = 20


class Failures(PaintedApp):
    def __init__(self) -> None:
        super().__init__()
        self.closed = threading.Event()
        """Set once the app has restored the terminal."""
        self._failures: set[tuple[str, int]] = set()

    def on_load(self) -> None:
        asyncio.get_running_loop().set_exception_handler(self._on_loop_exception)

    def _on_loop_exception(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if isinstance(error := context.get("exception"), Exception):
            self.close_with(error)
        else:
            loop.default_exception_handler(context)

    def on_thread_exception(self, failed: threading.ExceptHookArgs) -> None:
        """Handle the exception of a thread or of a worker; set this as `threading.excepthook`."""
        error = failed.exc_value
        # Python's own hook ignores SystemExit, too.
        if not isinstance(error, Exception):
            return
        if not is_writer(failed.thread):
            self._report(error)
            return
        # Writing to a closed terminal raises OSError.
        self.call_later(self.exit if isinstance(error, OSError) else partial(self.close_with, error))
        write_until_closed(failed.thread)

    def _report(self, error: Exception) -> None:
        """Show an exception that leaves the app usable, once for each line of code that raises it."""
        trace = error.__traceback__
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        place = (trace.tb_frame.f_code.co_filename, trace.tb_lineno) if trace else ("", 0)
        if place in self._failures:
            return
        self._failures.add(place)
        text = f"Unexpected error: {type(error).__name__}: {plain(error, 200)}."
        if path := save_traceback(error):
            text += f" Details: {path}"
        if self.closed.is_set():
            print(f"tuitrain: {text}", file=sys.stderr)  # noqa: T201
        else:
            self.notify(text, severity="error", timeout=FAILURE_SECONDS, markup=False)
