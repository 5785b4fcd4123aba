"""Writing the screen to the terminal: only what has changed, and no more at a time than the line carries."""

import asyncio
from time import monotonic
from typing import Literal

from rich.color import ColorSystem
from rich.console import RenderableType
from textual._ansi_sequences import SYNC_END, SYNC_START
from textual._compositor import CompositorUpdate
from textual.app import App
from textual.events import Resize
from textual.screen import Screen

from tuitrain.widgets.terminal.cells import Cells

# Updates of at least so many bytes are shown at once by terminals that can.
_WHOLE = 500
# Seconds between two questions to the terminal, which it answers once it has shown what came before; and after which an
# answer is not waited for any more.
_ASK_AGAIN, _LOST = 2.0, 10.0
# An answer after so many seconds makes a line slow, and one after fewer makes it quick again.
_LATE, _SOON = 0.25, 0.15
# So many bytes may be on the way unanswered; more only make keys wait.
_UNDERWAY = 4000
_QUESTION = "\x1b[6n"


class PaintedApp(App[None]):
    """An app whose screen is written cell by cell."""

    def __init__(self) -> None:
        super().__init__()
        self._cells = Cells()
        self.written = 0
        """Bytes of the screen so far."""
        self.slow_line: Literal["auto", "on", "off"] = "auto"
        self._late = False
        self._asked: float | None = None
        self._asked_last = 0.0
        self._asked_at = 0
        self._answered: float | None = None

    def _display(self, screen: "Screen[object]", renderable: RenderableType | None) -> None:
        driver = self._driver
        if not isinstance(renderable, CompositorUpdate) or self._batch_count or driver is None or driver.is_headless:
            super()._display(screen, renderable)
            return
        if self._running and not self._closed:
            colors = self.console._color_system or ColorSystem.TRUECOLOR
            self._cells.take(renderable, screen.outer_size, colors)
            self._paint()
        self.post_display_hook()

    @property
    def slow(self) -> bool:
        """Whether the line to the terminal is slow: as the user says, or because the terminal answers late."""
        return self._late if self.slow_line == "auto" else self.slow_line == "on"

    def _paint(self) -> None:
        if self._driver is None or self._full():
            return
        text = self._cells.changes()
        if not text:
            return
        x, y = self.screen.outer_size.clamp_offset(self.cursor_position)
        text += f"\x1b[{y + 1};{x + 1}H"
        if self._sync_available and len(text) >= _WHOLE:
            text = f"{SYNC_START}{text}{SYNC_END}"
        now = monotonic()
        if self._asked is None and now - self._asked_last > _ASK_AGAIN:
            self._asked = self._asked_last = now
            self._asked_at = self.written
            text += _QUESTION
        self.written += len(text.encode())
        self._driver.write(text)

    def _full(self) -> bool:
        """Whether the line has enough to carry; what is held back then comes with the answer, as one difference."""
        if self._asked is None or self._answered is None:
            return False
        if monotonic() - self._asked > _LOST:
            self._asked = None
        full = self._asked is not None and self.written - self._asked_at > _UNDERWAY
        if full:
            self.set_timer(_LOST, self._paint)
        return full

    def on_cursor_position(self) -> None:
        """The answer."""
        if self._asked is not None:
            self._answered, self._asked = monotonic() - self._asked, None
            self._late = self._answered > (_SOON if self._late else _LATE)
            self._paint()

    async def _on_exit_app(self) -> None:
        # An answer that comes when the app has gone would be typed into the shell.
        if self._asked is not None and self._answered is not None:
            await asyncio.sleep(min(1.0, 2 * self._answered))
        await super()._on_exit_app()

    def on_resize(self, event: Resize) -> None:
        """Of the size it had it comes when the terminal was left to others for a time."""
        if event.size == self._cells.size:
            self.action_redraw()

    def action_redraw(self) -> None:
        """Write all of the screen, whatever stands on the terminal."""
        self._cells.forget()
        self._paint()
