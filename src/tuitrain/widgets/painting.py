"""Writing the screen to the terminal: only what has changed, and no more at a time than the line carries."""

from rich.color import ColorSystem
from rich.console import RenderableType
from textual._ansi_sequences import SYNC_END, SYNC_START
from textual._compositor import CompositorUpdate
from textual.app import App
from textual.events import Resize
from textual.screen import Screen

from tuitrain.widgets.cells import Cells

# Updates of at least so many bytes are shown at once by terminals that can.
_WHOLE = 500


class PaintedApp(App[None]):
    """An app whose screen is written cell by cell."""

    def __init__(self) -> None:
        super().__init__()
        self._cells = Cells()
        self.written = 0
        """Bytes of the screen so far."""

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

    def _paint(self) -> None:
        text = self._cells.changes()
        if not text or self._driver is None:
            return
        x, y = self.screen.outer_size.clamp_offset(self.cursor_position)
        text += f"\x1b[{y + 1};{x + 1}H"
        if self._sync_available and len(text) >= _WHOLE:
            text = f"{SYNC_START}{text}{SYNC_END}"
        self.written += len(text.encode())
        self._driver.write(text)

    def on_resize(self, event: Resize) -> None:
        """Of the size it had it comes when the terminal was left to others for a time."""
        if event.size == self._cells.size:
            self.action_redraw()

    def action_redraw(self) -> None:
        """Write all of the screen, whatever stands on the terminal."""
        self._cells.forget()
        self._paint()
