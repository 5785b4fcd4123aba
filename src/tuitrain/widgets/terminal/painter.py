"""Write screen updates to the terminal as cell differences, and no faster than the connection carries them."""

import asyncio
from time import monotonic
from typing import Literal

from textual.events import Resize
from textual.geometry import Size
from textual.widget import Widget

from tuitrain.widgets.terminal.cells import Cells, PictureCell
from tuitrain.widgets.terminal.images import Images, SixelImages
from tuitrain.widgets.terminal.textual_internals import (
    SYNC_END,
    SYNC_START,
    CompositorUpdate,
    InternalsApp,
    write_to_terminal,
)

# Bytes from which an update is sent as one synchronized block.
_SYNC_SIZE = 500
# Seconds between two latency probes, and seconds after which a probe counts as lost.
_PROBE_INTERVAL, _PROBE_TIMEOUT = 2.0, 10.0
# Seconds after a probe until which an exit waits for its answer at most.
_EXIT_WAIT = 1.0
# Seconds of latency above which a connection becomes slow, and below which it is fast again.
_SLOW_LATENCY, _FAST_LATENCY = 0.25, 0.15
# Bytes sent after an unanswered probe; more would delay the answers to keys.
_MAX_UNCONFIRMED = 4000
# DSR: the terminal reports the cursor position after it has processed everything before.
_PROBE = "\x1b[6n"


class PaintedApp(InternalsApp):
    """An app that sends only changed cells to the terminal and measures the terminal's latency."""

    def __init__(self) -> None:
        super().__init__()
        self._cells = Cells()
        self.images: Images | None = None
        """The pictures of a terminal with graphics; None if text must show pictures."""
        self.written = 0
        """Bytes of screen updates written so far."""
        self.slow_line: Literal["auto", "on", "off"] = "auto"
        self._measured_slow = False
        self._probe_sent: float | None = None
        self._last_probe = 0.0
        self._written_at_probe = 0
        self._latency: float | None = None

    def paint(self, update: CompositorUpdate, size: Size) -> None:
        self._cells.apply(update, size, self.color_system)
        self._write_changes()

    @property
    def slow(self) -> bool:
        """Whether the connection is slow: the user's choice, or the measured latency."""
        return self._measured_slow if self.slow_line == "auto" else self.slow_line == "on"

    def _write_changes(self) -> None:
        if self._saturated():
            return
        text = self._take_changes()
        pictures = self._picture_commands()
        if not text and not pictures:
            return
        x, y = self.screen.outer_size.clamp_offset(self.cursor_position)
        text += f"\x1b[{y + 1};{x + 1}H"
        if self.supports_sync and len(text) >= _SYNC_SIZE:
            text = f"{SYNC_START}{text}{SYNC_END}"
        text = pictures + text
        now = monotonic()
        if self._probe_sent is None and now - self._last_probe > _PROBE_INTERVAL:
            self._probe_sent = self._last_probe = now
            self._written_at_probe = self.written
            text += _PROBE
        self.written += len(text.encode())
        write_to_terminal(self, text)

    def _take_changes(self) -> str:
        if not isinstance(self.images, SixelImages):
            return self._cells.take_changes()
        cells: list[PictureCell] = []
        text = self._cells.take_changes(cells)
        return text + self.images.draw(cells)

    def _picture_commands(self) -> str:
        """Return the sequences that send pictures of which the terminal shows cells, and delete others."""
        if self.images is None or not len(self.images):
            return ""
        if self.images.dropped:
            self.images.dropped = False
            self.call_later(self.redraw_pictures)
        return self.images.take_commands(self._cells.pictures())

    def use_images(self, images: Images | None) -> None:
        """Draw pictures with the terminal's graphics or, with None, as text."""
        if self.images is not None and images is not None:
            # Equal cells may show other pictures now.
            self._cells.invalidate()
        self.images = images
        self.redraw_pictures()

    def redraw_pictures(self) -> None:
        """Redraw all widgets, because some keep cells of pictures."""
        for screen in self.screen_stack:
            for widget in screen.walk_children(Widget):
                widget.notify_style_update()
                widget.refresh()

    def resend_pictures(self) -> None:
        """Send the pictures on the screen again, because the terminal may not have them."""
        if self.images is not None:
            self.images.forget()
        self._write_changes()

    def export_screenshot(self, *, title: str | None = None, simplify: bool = False) -> str:
        # A file shows pictures as text only.
        images = self.images
        if images is not None:
            self.use_images(None)
        try:
            return super().export_screenshot(title=title, simplify=simplify)
        finally:
            if images is not None:
                self.use_images(images)

    def delete_pictures(self) -> None:
        """Delete all pictures from the terminal."""
        if self.images is not None:
            write_to_terminal(self, self.images.delete_all())

    def before_restore(self) -> None:
        self.delete_pictures()

    def _saturated(self) -> bool:
        """Return whether too many bytes are unconfirmed; then changes wait for the next answer to a probe."""
        if self._probe_sent is None or self._latency is None:
            return False
        if monotonic() - self._probe_sent > _PROBE_TIMEOUT:
            self._probe_sent = None
        saturated = self._probe_sent is not None and self.written - self._written_at_probe > _MAX_UNCONFIRMED
        if saturated:
            self.set_timer(_PROBE_TIMEOUT, self._write_changes)
        return saturated

    def on_cursor_position(self) -> None:
        """Handle the terminal's answer to a probe."""
        if self._probe_sent is not None:
            self._latency, self._probe_sent = monotonic() - self._probe_sent, None
            self._measured_slow = self._latency > (_FAST_LATENCY if self._measured_slow else _SLOW_LATENCY)
            self._write_changes()

    async def before_exit(self) -> None:
        # The shell would take a late answer for typed text. The terminal answers other queries before the probe.
        if self._probe_sent is not None:
            wait = _EXIT_WAIT if self._latency is None else min(_EXIT_WAIT, 2 * self._latency)
            await asyncio.sleep(self._probe_sent + wait - monotonic())

    def on_resize(self, event: Resize) -> None:
        # A resize to the same size follows a suspend: other programs may have written to the terminal.
        if event.size == self._cells.size:
            self.action_redraw()

    def action_redraw(self) -> None:
        self._cells.invalidate()
        self.resend_pictures()
