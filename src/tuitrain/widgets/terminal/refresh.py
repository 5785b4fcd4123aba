"""Screens that follow something which changes."""

from math import inf
from time import perf_counter

from textual.screen import ModalScreen, Screen, ScreenResultType
from textual.timer import Timer

from tuitrain.widgets.terminal.painter import PaintedApp

# The part of one core that redrawing may cost, and the seconds between two redraws that it is held within.
SHARE = 0.05
SHORTEST, LONGEST = 0.5, 5.0
# Seconds for a tick to read in, which keys wait for.
BUDGET = 0.025
# Between two ticks that read what has long been there, and between two of them that show it.
PAUSE, REDRAW = 0.01, 0.5
# The bytes a second that redrawing may write to the terminal, and on a slow line, where it may be as seldom as that.
BYTES, SLOW_BYTES, SLOW_LONGEST = 1000, 300, 20.0


class Aside(ModalScreen[ScreenResultType]):
    """A small screen that leaves the one below to be watched."""


class TickingScreen(Screen[None]):
    """Calls `tick` when it is shown and from then on, the more seldom the more a redraw costs, and the more it writes;
    not while covered by another screen than an `Aside`."""

    _timer: Timer | None = None
    _shown = False
    _seen = False
    _counted = 0
    _behind = False
    _drawn_at = -inf

    def tick(self) -> None:
        """Read what is new, for a short time, and update each widget once. A test may call it instead of the clock."""
        raise NotImplementedError

    def hurries(self, behind: bool) -> bool:
        """For a tick that has read, but maybe not all that there is: whether it leaves showing it to the next, which
        comes at once."""
        self._behind, now = behind, perf_counter()
        if behind and now - self._drawn_at < REDRAW:
            return True
        self._drawn_at = now
        return False

    def on_screen_resume(self) -> None:
        self._shown = True
        # What was seen before is there at once, and a moment later what is new.
        if self._seen:
            self.call_after_refresh(self._go)
        else:
            self._seen = True
            self._go()

    def on_screen_suspend(self) -> None:
        if isinstance(self.app.screen, Aside):
            return
        self._shown = False
        self._stop()

    def on_unmount(self) -> None:
        self._shown = False
        self._stop()

    def _go(self) -> None:
        self._stop()
        # A call that waited may come when the screen, or the app, has begun to close.
        if not (self._shown and self.is_attached):
            return
        started = perf_counter()
        self.tick()
        self.call_after_refresh(self._again, started)

    @property
    def _written(self) -> int:
        return self.app.written if isinstance(self.app, PaintedApp) else 0

    def _again(self, started: float) -> None:
        if self._shown and self._timer is None:
            slow = isinstance(self.app, PaintedApp) and self.app.slow
            # What the last redraw but this one wrote: this one may still wait to be written.
            before, self._counted = self._counted, self._written
            line = (self._counted - before) / (SLOW_BYTES if slow else BYTES)
            wait = PAUSE if self._behind else max(SHORTEST, (perf_counter() - started) / SHARE, line)
            self._timer = self.set_timer(min(SLOW_LONGEST if slow else LONGEST, wait), self._go)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.stop()
            self._timer = None
