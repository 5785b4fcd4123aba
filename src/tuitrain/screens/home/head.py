"""The first line of the home screen: the number of runs, their folder, and the load of the machine."""

from collections import Counter
from math import inf
from pathlib import Path
from time import monotonic

from textual.content import Content

from tuitrain.analysis.summary import status_name
from tuitrain.analysis.table.state import TableState
from tuitrain.machine.load import Machine
from tuitrain.machine.tables import load_text, short_gpu_text
from tuitrain.machine.watch import GpuWatch
from tuitrain.text import counted, plain
from tuitrain.widgets.panels.fixed_text import FixedText
from tuitrain.widgets.shorten import shorten_start
from tuitrain.widgets.terminal.colors import MUTED

# Seconds between two measurements of the load: a value that changes all the time distracts.
MEASURE_INTERVAL = 3.0
# Cells of the runs folder's path that are always shown.
MIN_PATH = 16


class HomeHead(FixedText):
    """Show how many runs there are, and how busy the machine is."""

    DEFAULT_CSS = """
    HomeHead { height: 1; padding: 0 1; background: $surface; text-wrap: nowrap; text-overflow: ellipsis; }
    """

    def __init__(self, gpus: GpuWatch) -> None:
        super().__init__()
        self._machine, self._gpus = Machine(), gpus
        self._measured_at = -inf
        self._load = ""

    def measure(self) -> None:
        if monotonic() - self._measured_at >= MEASURE_INTERVAL:
            self._measured_at = monotonic()
            gpus = self._gpus.look()
            parts = [short_gpu_text(gpus)] if gpus and gpus.devices else []
            self._load = " · ".join([*parts, load_text(self._machine.load())])

    def show_runs(self, state: TableState, hint: str, unread: int, runs_dir: Path) -> None:
        """Show the counts and a hint about a key; `unread` is the number of runs not read yet."""
        counts = Counter(status_name(run.status, run.state) for run in state.runs)
        total, marked, hidden = len(state.runs), len(state.markers()), state.hidden_marks
        parts = [counted(total, "run")]
        parts += [
            f"{counts[status]:,} {status}"
            for status in ("running", "paused", "interrupted", "starting", "queued", "held")
            if counts[status]
        ]
        parts += [f"{marked:,} marked" + (f" ({hidden:,} hidden)" if hidden else "")] if marked else []
        parts += [hint] if hint else []
        parts += [f"reading {unread:,} more"] if unread else []
        first = f" · {', '.join(parts)} · "
        room = max(self.size.width - len("tuitrain" + first + self._load) - 5, MIN_PATH)
        path = shorten_start(abbreviate(runs_dir), room)
        load = f" · {self._load}" if self._load else ""
        self.show(Content.assemble(("tuitrain", "bold $accent"), (f"{first}{path}{load}", MUTED)))


def abbreviate(path: Path) -> str:
    """Return the path with `~` for the home folder, safe to show."""
    try:
        absolute, home = path.absolute(), Path.home()
    except FileNotFoundError:
        # The working folder has been deleted.
        return plain(path)
    return plain(f"~/{absolute.relative_to(home)}" if absolute.is_relative_to(home) else absolute)
