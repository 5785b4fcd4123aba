"""A run of two million metrics rows: time and memory to export it, and of the progress bar that resumes it.

    uv run python benchmarks/long_run.py [--quick] [--write]

`--quick` writes a tenth of the rows. Each measurement is a new process; memory is its largest resident size.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from claims import Claim, at_most, figure, report
from runs_made import write_run

ROWS = 2_000_000
# What `tuitrain resume` reads of the run for its progress bar: state and log.
PROGRESS = "from tuitrain.runs.follower import Follower; Follower(RunFolder(path), metrics=False).poll()"
EXPORT = "from tuitrain.hosts.export import export; export(RunFolder(path), {0!r}, path.parent / 'out-{0}')"
SCRIPT = """
import resource
from pathlib import Path
from tuitrain.runs.folder import RunFolder
path = Path({path!r})
{work}
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def measured(path: Path, work: str) -> tuple[float, float]:
    """Return the seconds of a Python process that does `work` with the run at `path`, and its memory in MiB."""
    begun = time.perf_counter()
    script = SCRIPT.format(path=str(path), work=work)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return time.perf_counter() - begun, float(done.stdout)


def claims(quick: bool) -> list[Claim]:
    rows = ROWS // 10 if quick else ROWS
    found: list[Claim] = []
    with tempfile.TemporaryDirectory() as folder:
        run = write_run(Path(folder), 1, rows, 1)
        found.append(figure(f"{rows:,} rows on disk", run.metrics_file.stat().st_size / 2**20, "MiB"))
        seconds, memory = measured(run.path, PROGRESS)
        found += [
            at_most("progress bar of a resumed run: time", 2, seconds, "s"),
            at_most("progress bar of a resumed run: memory", 150, memory, "MiB"),
        ]
        for format in ("csv", "tensorboard"):
            seconds, memory = measured(run.path, EXPORT.format(format))
            found += [
                figure(f"export to {format}: time", seconds, "s"),
                at_most(f"export to {format}: memory", 150, memory, "MiB"),
            ]
    return found


if __name__ == "__main__":
    report(__file__, claims)
