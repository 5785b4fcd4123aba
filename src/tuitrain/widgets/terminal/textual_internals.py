"""Every private name of Textual and Rich that tuitrain uses.

`pyproject.toml` pins Textual to a minor version. tests/widgets/terminal/test_textual_internals.py fails if one of these
names changes.
"""

import asyncio
import codecs
import sys
from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import partial
from threading import Thread
from time import monotonic
from typing import Any, TypeGuard

from rich.color import ColorSystem
from rich.console import RenderableType
from rich.style import Style
from rich.traceback import Traceback
from textual._ansi_sequences import SYNC_END, SYNC_START
from textual._compositor import ChopsUpdate, CompositorUpdate, LayoutUpdate
from textual._context import NoActiveAppError
from textual._xterm_parser import XTermParser
from textual.app import App
from textual.drivers._writer_thread import WriterThread
from textual.geometry import Size
from textual.message_pump import MessagePump
from textual.screen import Screen
from textual.strip import Strip
from textual.walk import walk_depth_first
from textual.worker import WorkerFailed

__all__ = [
    "SYNC_END", "SYNC_START", "ChopsUpdate", "CompositorUpdate", "InternalsApp", "LayoutUpdate", "NoActiveAppError",
    "XTermParser",
]  # fmt: skip


# Widgets redraw themselves when they gain or lose the focus; Textual redraws the whole screen as well.
Screen.focused._repaint = False


def resize_screen(screen: Screen[Any], size: Size) -> None:
    """Lay out a screen for its new size. Textual would do so again when the layout tells the screen its own size."""
    if screen.stack_updates and screen.is_attached and screen._size != size:
        screen._refresh_layout(size)


Screen._screen_resized = resize_screen  # type: ignore[assignment, method-assign]


class InternalsApp(App[None]):
    """An app with public hooks for what Textual keeps private: writing updates, exiting, crashing."""

    def __init__(self) -> None:
        super().__init__()
        self._tasks: list[asyncio.Task[None]] = []

    def paint(self, update: CompositorUpdate, size: Size) -> None:
        """Show `update` on the terminal of `size`; replaces Textual's own output."""
        raise NotImplementedError

    async def before_exit(self) -> None:
        """Run after the last update and before the terminal is restored; subclasses override this."""

    def before_restore(self) -> None:
        """Run before the terminal is restored, also after a failure; subclasses override this."""

    async def _process_messages_loop(self) -> None:
        try:
            await super()._process_messages_loop()
        finally:
            self.before_restore()

    @property
    def crash(self) -> Exception | None:
        """The exception that ended the app, or None."""
        error = self._exception
        return error.error if isinstance(error, WorkerFailed) and isinstance(error.error, Exception) else error

    def close_with(self, error: Exception) -> None:
        """Close the app because of `error`, which becomes `crash`. Call this in the event loop."""
        self._handle_exception(error)

    @property
    def color_system(self) -> ColorSystem:
        return self.console._color_system or ColorSystem.TRUECOLOR

    @property
    def supports_sync(self) -> bool:
        """Whether the terminal can show an update in one piece (mode 2026)."""
        return self._sync_available

    def _display(self, screen: Screen[object], renderable: RenderableType | None) -> None:
        # Textual writes each changed widget in full; only this method sees the update before it becomes text.
        driver = self._driver
        if not isinstance(renderable, CompositorUpdate) or self._batch_count or driver is None or driver.is_headless:
            super()._display(screen, renderable)
            return
        if self._running and not self._closed:
            self.paint(renderable, screen.outer_size)
        self.post_display_hook()

    def run_task(self, work: Coroutine[Any, Any, None]) -> None:
        """Run `work` until it ends or the app exits. Its exception ends the app as one in a message handler would."""

        def report(task: "asyncio.Task[None]") -> None:
            if not task.cancelled() and isinstance(error := task.exception(), Exception):
                self.close_with(error)

        task = asyncio.create_task(work)
        task.add_done_callback(report)
        self._tasks.append(task)

    async def _on_exit_app(self) -> None:
        for task in self._tasks:
            task.cancel()
        await self.before_exit()
        await super()._on_exit_app()

    def _fatal_error(self) -> None:
        # Textual prints a traceback here; the caller reads `crash` and reports one sentence instead.
        self._close_messages_no_wait()

    def panic(self, *renderables: RenderableType) -> None:
        # The driver's input thread passes its exception as a rendered traceback. An OSError means a lost terminal.
        if isinstance(renderables[0], Traceback):
            stack = renderables[0].trace.stacks[0]
            if stack.exc_type == "OSError":
                self.exit()
                return
            self.close_with(RuntimeError(f"reading keys failed: {stack.exc_type}: {stack.exc_value}"))
        self._close_messages_no_wait()


def is_writer(thread: Thread | None) -> TypeGuard[WriterThread]:
    """Return whether this thread writes to the terminal. If that thread ends, the app waits forever."""
    return isinstance(thread, WriterThread)


def finish_writing(app: App[None]) -> None:
    """Wait until the terminal has received everything. After a failure during its shutdown, an app leaves that to a
    thread, and what follows would appear on the screen that is about to vanish."""
    writer = getattr(app._driver, "_writer_thread", None)
    if is_writer(writer) and writer.is_alive():
        writer.stop()


def write_until_closed(writer: WriterThread) -> None:
    """Continue writing after a failure, until the app has restored and closed the terminal."""
    while True:
        with suppress(Exception):
            return writer.run()


async def settle(app: App[Any], timeout: float) -> None:
    """Wait until the app and all widgets of the current screen are mounted and have handled their messages, for at most
    `timeout` seconds. Must not be called from a message handler, which would wait for itself."""
    started = monotonic()
    while not app._exit and app.screen_stack and monotonic() - started < timeout:
        if _is_idle(app) and all(map(_is_idle, walk_depth_first(app.screen))):
            return
        # Messages take less than a millisecond each; a screen that opens takes longer.
        await asyncio.sleep(0 if monotonic() - started < 0.01 else 0.002)


def _is_idle(node: MessagePump) -> bool:
    """Return whether the node is mounted, its queue is empty, and its task waits for the next message."""
    queue: Any = node._message_queue
    return node._is_mounted and queue.empty() and bool(queue.ready_event._waiters)


def replace_parser(parser: type[XTermParser]) -> None:
    """Let the driver of this process parse the input of the terminal with `parser`. Let it also accept bytes that are
    not UTF-8, which would end the app."""
    if sys.platform != "win32":
        from textual.drivers import linux_driver

        def tolerant_decoder(encoding: str) -> Callable[[], codecs.IncrementalDecoder]:
            return partial(codecs.getincrementaldecoder(encoding), errors="replace")

        linux_driver.XTermParser = parser  # type: ignore[attr-defined]
        linux_driver.getincrementaldecoder = tolerant_decoder  # type: ignore[attr-defined, assignment]


def write_to_terminal(app: App[None], text: str) -> bool:
    """Write raw control sequences; return False if the app has no terminal."""
    driver = app._driver
    if driver is None or driver.is_headless:
        return False
    driver.write(text)
    return True


def style_codes(style: Style | None, colors: ColorSystem) -> str:
    """Return the SGR codes of a style, such as "1;38;5;12". Rich caches them in `_ansi`."""
    if style is None:
        return ""
    return style._ansi if style._ansi is not None else Strip.render_ansi(style, colors)
