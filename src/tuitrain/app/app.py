"""Start and close the app, and bind its global keys. The base classes hold its other duties."""

import gc
import importlib
import pkgutil
import signal
import threading
from pathlib import Path, PurePath
from typing import ClassVar

from textual.binding import Binding, BindingType

from tuitrain import screens
from tuitrain.app.navigation import Navigation
from tuitrain.app.palette import Palette
from tuitrain.app.run_lifecycle import RunLifecycle
from tuitrain.hosts.thread import ThreadHost
from tuitrain.machine.watch import GpuWatch
from tuitrain.runs.folder import RunFolder
from tuitrain.screens.home.screen import HomeScreen
from tuitrain.text import plain
from tuitrain.widgets.messages import OpenRun
from tuitrain.widgets.terminal.keys import OrderedKeys
from tuitrain.widgets.terminal.notifications import restore_title, save_title
from tuitrain.widgets.terminal.textual_internals import finish_writing

PACKAGE = Path(__file__).parents[1]


class TuitrainApp(Navigation, RunLifecycle, Palette, OrderedKeys):
    TITLE = "tuitrain"
    # Textual reads the style sheets of pushed screens only, so the first screen's is listed here.
    CSS_PATH: ClassVar[list[str | PurePath]] = [PACKAGE / "app/app.tcss", PACKAGE / "screens/home/home.tcss"]
    ENABLE_COMMAND_PALETTE = True
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("question_mark", "help", "help", tooltip="Help", key_display="?", id="app.help"),
        # A text field takes the question mark.
        Binding("f1", "help", "help", tooltip="Help", key_display="F1", id="app.help_f1"),
        Binding("q", "quit", "quit", tooltip="Quit", id="app.quit"),
        # Last, so that a footer of 80 columns drops this one first.
        Binding("S", "sweeps", "sweeps", tooltip="Sweeps of this runs folder", id="app.sweeps"),
        Binding("U", "machine", "gpus", tooltip="GPUs, and who uses them", show=False, id="app.machine"),
        Binding("ctrl+q", "quit", show=False),
        Binding("ctrl+l", "redraw", tooltip="Redraw the screen", show=False),
    ]

    def __init__(self, runs_dir: Path, host: ThreadHost, first: RunFolder | None = None) -> None:
        """Open `first`, if given, on top of the home screen."""
        if first is not None:
            # Its charts need plotext; importing it in their first frame would delay that frame.
            import plotext  # noqa: F401
        super().__init__()
        self.runs_dir, self.host, self._first, self.gpus = runs_dir, host, first, GpuWatch()

    def get_default_screen(self) -> HomeScreen:
        return HomeScreen(self.runs_dir, self.gpus)

    def on_mount(self) -> None:
        save_title(self)
        # The command line disables garbage collection during the start.
        if not gc.isenabled():
            self.set_timer(1.0, threading.Thread(target=import_screens, name="import-screens", daemon=True).start)
        if self._first is not None:
            self.post_message(OpenRun(self._first))

    def on_unmount(self) -> None:
        restore_title(self)

    def action_help_quit(self) -> None:
        """Name the key that quits: ctrl+c must not end a run."""
        focused = self.screen.focused
        typing = focused is not None and focused.check_consume_key("q", "q")
        key = "q" if "q" in self.screen.active_bindings and not typing else "ctrl+q"
        self.notify(f"Press {key} to quit", timeout=3)


def import_screens() -> None:
    """Import plotext and all screens, then exclude all present objects from garbage collection. A full collection would
    delay a key; these objects live as long as the app."""
    try:
        import plotext  # noqa: F401

        for module in pkgutil.walk_packages(screens.__path__, f"{screens.__name__}."):
            importlib.import_module(module.name)
    finally:
        gc.freeze()
        gc.enable()


def open_app(runs_dir: Path, first: RunFolder | None = None) -> RunFolder | None:
    """Run the app until the user quits; return the run that moved to a background process, or None.

    A run that still trains in this process moves there on quit, when the terminal is gone and when the app crashes.
    Raises the exception of a crash, and the host's error.
    """
    host = ThreadHost()
    app = TuitrainApp(runs_dir, host, first)
    app.leave_on_signals()
    threading.excepthook = app.on_thread_exception
    try:
        app.run(mouse=False)
    finally:
        finish_writing(app)
        app.closed.set()
        for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        host.detach()
        host.join()
    background = host.folder if host.in_background else None
    if app.crash is not None:
        if background is not None:
            app.crash.add_note(continues_in_background(background))
        elif host.error is not None:
            app.crash.add_note(str(host.error))
        raise app.crash
    if host.error is not None:
        raise host.error
    return background


def continues_in_background(folder: RunFolder) -> str:
    return f"The run continues in the background. Watch it: tuitrain attach {plain(folder.id)}"
