"""Screens that follow something which changes."""

from time import perf_counter

from textual.screen import Screen
from textual.timer import Timer

# The part of one core that redrawing may cost, and the seconds between two redraws that it is held within.
SHARE = 0.05
SHORTEST, LONGEST = 0.5, 5.0


class TickingScreen(Screen[None]):
    """Calls `tick` when it is shown and from then on, the more seldom the more a redraw costs; not while covered."""

    _timer: Timer | None = None
    _shown = False

    def tick(self) -> None:
        """Read what is new, for a short time, and update each widget once. A test may call it instead of the clock."""
        raise NotImplementedError

    def on_screen_resume(self) -> None:
        self._shown = True
        self._go()

    def on_screen_suspend(self) -> None:
        self._shown = False
        self._stop()

    def on_unmount(self) -> None:
        self._shown = False
        self._stop()

    def _go(self) -> None:
        self._stop()
        started = perf_counter()
        self.tick()
        self.call_after_refresh(self._again, started)

    def _again(self, started: float) -> None:
        if self._shown and self._timer is None:
            cost = perf_counter() - started
            self._timer = self.set_timer(min(LONGEST, max(SHORTEST, cost / SHARE)), self._go)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.stop()
            self._timer = None
