"""Start-up time of the app and the commands, compared with an empty Textual app and two imports.

    uv run python benchmarks/startup.py [--quick] [--write]

Measures from exec to the first screen on which a key has an effect, in a pseudo-terminal of 120x40, with 100 runs.
Alternates between the programs, with compiled bytecode as in an installation, and compares medians.
"""

import statistics
import subprocess
import sys
import time
from pathlib import Path

from claims import Claim, at_most, figure, report
from runs_made import write_run
from terminal import Terminal, home

EMPTY = """\
from textual.app import App
from textual.widgets import Static

class Empty(App[None]):
    def compose(self):
        yield Static("run-99")

    def on_key(self):
        self.query_one(Static).update("a key")

Empty().run()
"""
BARE = "import msgspec, rich.console"


def first_key(*arguments: str | Path) -> float:
    """Return the seconds until a key on the first screen has changed it."""
    with Terminal(*arguments) as terminal:
        terminal.see("run-99")
        before = len(terminal.written)
        terminal.press("j")
        seconds = terminal.until(lambda: len(terminal.written) > before) - terminal.begun
        terminal.quiet(0.2)
    return seconds


def command(*arguments: str | Path) -> float:
    begun = time.monotonic()
    subprocess.run([sys.executable, *arguments], stdout=subprocess.DEVNULL, check=True)
    return time.monotonic() - begun


def claims(quick: bool = False) -> list[Claim]:
    repeats = 5 if quick else 15
    app: dict[str, list[float]] = {"empty": [], "tuitrain": []}
    commands: dict[str, list[float]] = {"bare": [], "runs": [], "help": []}
    with home() as folder:
        for number in range(1100):
            write_run(folder / ("some" if number < 100 else "many"), number, 20)
        (folder / "empty.py").write_text(EMPTY)
        # The cache only stores files that have not changed for some seconds.
        time.sleep(5)
        for _ in range(repeats + 1):
            app["empty"].append(first_key(folder / "empty.py"))
            app["tuitrain"].append(first_key("-m", "tuitrain", "--runs-dir", folder / "some"))
            commands["bare"].append(command("-c", BARE))
            commands["runs"].append(command("-m", "tuitrain", "runs", "--runs-dir", folder / "many"))
            commands["help"].append(command("-m", "tuitrain", "--help"))
    # The first start of each compiles bytecode and writes the cache of runs.
    found = {name: statistics.median(values[1:]) for name, values in (app | commands).items()}
    return [
        at_most("app to a first key / an empty Textual app", 1.3, found["tuitrain"] / found["empty"], "x"),
        at_most(f"tuitrain runs, 1,000 runs / {BARE}", 2, found["runs"] / found["bare"], "x"),
        at_most(f"tuitrain --help / {BARE}", 2, found["help"] / found["bare"], "x"),
        figure("app to a first key", 1000 * found["tuitrain"], "ms"),
        figure("empty Textual app to a first key", 1000 * found["empty"], "ms"),
        figure("tuitrain runs, 1,000 runs", 1000 * found["runs"], "ms"),
    ]


if __name__ == "__main__":
    report(__file__, claims)
