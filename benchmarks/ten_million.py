"""Train a run of ten million steps: memory, disk space, and the time to open it afterwards.

    uv run python benchmarks/ten_million.py [--quick] [--write]

Takes a quarter of an hour, so all.py leaves it out; --quick trains a tenth of it.
"""

import time

import psutil

from claims import Claim, at_most, figure, report
from growth import STEPS, opened, training
from terminal import home

PER_EPOCH = 162


def claims(quick: bool = False) -> list[Claim]:
    epochs = (STEPS // 10 if quick else STEPS) // PER_EPOCH + 1
    with home() as home_folder, training(home_folder / "runs", f"training.epochs={epochs}") as (folder, process):
        sizes = []
        while folder.state().active:
            time.sleep(2)
            try:
                sizes.append(process.memory_info().rss / 2**20)
            except psutil.NoSuchProcess:
                break
        state = folder.state()
        # The final evaluation of the test split is not growth.
        first, last = sizes[len(sizes) // 100], sizes[-3]
        disk = sum(file.stat().st_size for file in folder.path.rglob("*") if file.is_file()) / 2**20
        seconds, screen, later = opened(folder)
        return [
            figure("steps trained", state.step),
            figure("seconds of training", state.seconds, "s"),
            figure("the trainer's memory after a hundredth of them", first, "MiB"),
            at_most("memory growth in the remaining steps", 10, last - first, "MiB"),
            figure("the run on disk", disk, "MiB"),
            at_most("open the run: start to first screen", 2, seconds, "s"),
            at_most("memory of the app", 150, screen, "MiB"),
            at_most("memory growth in 20 s", 2, later - screen, "MiB"),
        ]


if __name__ == "__main__":
    report(__file__, claims)
