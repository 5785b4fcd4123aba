"""Time to the confusion matrix and the metrics of 1,000 classes, from 50,000 validated images.

    uv run python benchmarks/matrix_1000.py [--quick] [--write]

The app runs in a pseudo-terminal of 120x40 and opens the results of a run with 10 and one with 1,000 classes, in turn.
Each time is that from a key to the first bytes that the app writes in response; the pages are opened for the first
time. The metrics of such an evaluation are also computed once per turn, as training does after each epoch.
"""

import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

from claims import Claim, at_most, figure, report
from runs_made import write_run
from terminal import Terminal, home
from tuitrain.analysis.metrics.compute import confusion_matrix, metrics
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.predictions import Predictions
from tuitrain.runs.records import Evaluation

IMAGES, CLASSES = 50_000, (10, 1000)
# Keys and the pages that they open from the runs table, in this order.
PAGES = {"\r": "results", "3": "confusion matrix", "m": "metrics"}
# Seconds without output after which the app has drawn a page.
QUIET = 0.5


def predictions(classes: int, epoch: int = 0) -> Predictions:
    """Return the predictions of a network that classifies about three images in four correctly."""
    random = np.random.default_rng(epoch)
    labels = random.integers(classes, size=IMAGES)
    logits = 2 * random.standard_normal((IMAGES, classes), dtype=np.float32)
    logits[np.arange(IMAGES), labels] += 1.5 + 2 * np.log10(classes)
    exponentials = np.exp(logits)
    rounded = (exponentials / exponentials.sum(1, keepdims=True)).astype(np.float16)
    return Predictions(labels, rounded, tuple(map(str, range(IMAGES))))


def fill(runs_dir: Path, classes: int) -> RunFolder:
    folder, given = write_run(runs_dir, classes, 1000), predictions(classes)
    counts, state = confusion_matrix(given.labels, given.predicted, classes), folder.state()
    evaluation = Evaluation(
        split="validation", checkpoint="last", epoch=state.epoch, step=state.step, loss=1.0,
        accuracy=float(counts.trace() / IMAGES), classes=[f"class {number}" for number in range(classes)],
        confusion=counts.tolist(), worst=[], metrics=metrics(given), fingerprint="one",
        true=given.labels.astype("<u2").tobytes(), predicted=given.predicted.astype("<u2").tobytes(),
    )  # fmt: skip
    folder.write_evaluation(evaluation, given)
    return folder


def opened(runs_dir: Path) -> list[float]:
    """Return the milliseconds from each key of `PAGES` to the first output."""
    times = []
    with Terminal("-m", "tuitrain", "--runs-dir", runs_dir) as terminal:
        terminal.see("quit")
        for key in PAGES:
            terminal.quiet(QUIET)
            before, pressed = len(terminal.times), terminal.press(key)
            terminal.until(lambda before=before: len(terminal.times) > before)  # type: ignore[misc]
            times.append(1000 * (terminal.times[before][0] - pressed))
    return times


def computed(classes: int, epoch: int) -> float:
    """Return the milliseconds that the metrics of an evaluation take."""
    given = predictions(classes, epoch)
    begun = time.monotonic()
    metrics(given)
    return 1000 * (time.monotonic() - begun)


def claims(quick: bool) -> list[Claim]:
    turns = 2 if quick else 7
    shown: dict[int, list[list[float]]] = {classes: [] for classes in CLASSES}
    seconds: dict[int, list[float]] = {classes: [] for classes in CLASSES}
    with home(), tempfile.TemporaryDirectory() as name:
        for classes in CLASSES:
            fill(Path(name) / str(classes), classes)
        for turn in range(turns):
            for classes in CLASSES:
                shown[classes].append(opened(Path(name) / str(classes)))
                seconds[classes].append(computed(classes, turn))
    rows = []
    few, many = ([statistics.median(column) for column in zip(*shown[n], strict=True)] for n in CLASSES)
    for page, ten, thousand in zip(PAGES.values(), few, many, strict=True):
        rows.append(at_most(f"key to the {page} of 1,000 classes, median (n = {turns})", 200, thousand, "ms"))
        rows.append(figure(f"key to the {page} of 10 classes, median (n = {turns})", ten, "ms"))
        rows.append(figure(f"{page}: 1,000 classes / 10 classes", thousand / ten, "x"))
    ten, thousand = (statistics.median(seconds[classes]) for classes in CLASSES)
    rows.append(figure(f"metrics of an evaluation, 1,000 classes, median (n = {turns})", thousand, "ms"))
    rows.append(figure(f"metrics of an evaluation, 10 classes, median (n = {turns})", ten, "ms"))
    return rows


if __name__ == "__main__":
    report(__file__, claims)
