"""Run all benchmarks one after another, and print one table of claims and measurements.

    uv run python benchmarks/all.py [--quick] [--write] [--only NAME ...]

Each script runs in a separate process, unaffected by the threads and caches of the others.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

from claims import Claim, machine, table, write

SCRIPTS = (
    "startup", "line", "keys", "growth", "long_run", "compare_large", "matrix_1000", "event_files", "training_cpu",
    "training_settings", "layer_statistics", "memory_estimate", "photos", "mnist_99", "fine_tuning", "suspects",
    "training_cuda", "stacked", "logger",
)  # fmt: skip
RUN = "import json, {0} as s; from dataclasses import asdict; print(json.dumps([asdict(c) for c in s.claims({1})]))"


def measure(name: str, quick: bool) -> list[Claim]:
    """Run a script and return its claims; a script that fails is a claim that is not met."""
    done = subprocess.run(
        [sys.executable, "-c", RUN.format(name, quick)], cwd=Path(__file__).parent, stdout=subprocess.PIPE, text=True
    )
    if done.returncode:
        return [Claim(f"{name}.py runs", "exit 0", done.returncode, "", False)]
    return [Claim(**claim) for claim in json.loads(done.stdout.splitlines()[-1])]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer repeats")
    parser.add_argument("--write", action="store_true", help="keep the tables in docs/performance.md")
    parser.add_argument("--only", nargs="+", choices=SCRIPTS, default=SCRIPTS)
    options = parser.parse_args()
    found: list[Claim] = []
    for name in options.only:
        if not (Path(__file__).parent / f"{name}.py").exists():
            continue
        begun = time.monotonic()
        claims = measure(name, options.quick)
        found += claims
        sys.stdout.write(f"\n{name}: {time.monotonic() - begun:.0f} s\n\n{table(claims)}\n")
        sys.stdout.flush()
        if options.write:
            write(f"{name}.py", claims)
    sys.stdout.write(f"\n{machine()}\n\n{table(found)}\n")
    return 0 if all(claim.met is not False for claim in found) else 1


if __name__ == "__main__":
    raise SystemExit(main())
