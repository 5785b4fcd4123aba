"""Screens that poll changing data at a rate that bounds the cost of redrawing."""

from math import inf
from time import perf_counter

from textual.screen import ModalScreen, Screen, ScreenResultType
from textual.timer import Timer

from tuitrain.widgets.terminal.painter import PaintedApp

# Share of one core that redrawing may take, and the seconds between two redraws.
CPU_SHARE = 0.05
MIN_INTERVAL, MAX_INTERVAL = 0.5, 5.0
# Seconds that one tick may read; keys wait that long.
BUDGET = 0.025
# While a tick lags behind existing data: seconds between two ticks, and between two redraws.
CATCH_UP_INTERVAL, CATCH_UP_REDRAW = 0.01, 0.5
# Seconds between two ticks while the user waits for an answer.
URGENT_INTERVAL = 0.1
# Bytes per second that redrawing may write; a slow connection gets fewer bytes and longer intervals.
BYTES, SLOW_BYTES, SLOW_MAX_INTERVAL = 1000, 250, 30.0


class OverlayScreen(ModalScreen[ScreenResultType]):
    """A small modal screen; the screen below keeps polling."""


class PollingScreen(Screen[None]):
    """A screen that calls `tick` when shown, then at intervals that grow with the time and bytes of a redraw. It pauses
    while another screen covers it, unless that is an `OverlayScreen`."""

    _timer: Timer | None = None
    _shown = False
    _was_shown = False
    _counted_bytes = 0
    _behind = False
    _drawn_at = -inf

    @property
    def urgent(self) -> bool:
        """Whether the user waits for an answer, so that ticks must follow each other quickly."""
        return False

    def tick(self) -> None:
        """Read new data for at most about `BUDGET` seconds and update each widget once."""
        raise NotImplementedError

    def skip_redraw(self, behind: bool) -> bool:
        """Return whether this tick should leave drawing to the next one, which follows at once. A tick calls this after
        reading; `behind` says that it has not read everything yet."""
        self._behind, now = behind, perf_counter()
        if behind and now - self._drawn_at < CATCH_UP_REDRAW:
            return True
        self._drawn_at = now
        return False

    def on_screen_resume(self) -> None:
        self._shown = True
        if self._was_shown:
            # Show the previous content first.
            self.call_after_refresh(self.poll_now)
        else:
            self._was_shown = True
            self.poll_now()

    def on_screen_suspend(self) -> None:
        if isinstance(self.app.screen, OverlayScreen):
            return
        self._shown = False
        self._stop_timer()

    def on_unmount(self) -> None:
        self._shown = False
        self._stop_timer()

    def poll_now(self) -> None:
        """Call `tick` at once and restart the interval."""
        self._stop_timer()
        # A call may arrive after the screen or the app began to close, and has removed some widgets.
        if not (self._shown and self.is_attached and self.app.is_running):
            return
        started = perf_counter()
        self.tick()
        self.call_after_refresh(self._schedule, started)

    def _schedule(self, started: float) -> None:
        if not self._shown or self._timer is not None:
            return
        app = self.app if isinstance(self.app, PaintedApp) else None
        slow = app is not None and app.slow
        # The bytes of the redraw before this one: this one's may not be written yet.
        before, self._counted_bytes = self._counted_bytes, app.written if app is not None else 0
        line = (self._counted_bytes - before) / (SLOW_BYTES if slow else BYTES)
        pause = URGENT_INTERVAL if self.urgent else max(MIN_INTERVAL, (perf_counter() - started) / CPU_SHARE, line)
        wait = CATCH_UP_INTERVAL if self._behind else pause
        self._timer = self.set_timer(min(SLOW_MAX_INTERVAL if slow else MAX_INTERVAL, wait), self.poll_now)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.stop()
            self._timer = None
