"""The share of wrong labels that `tuitrain suspects` puts into the first tenth of its list.

    uv run python benchmarks/suspects.py [--quick] [--write]

The labels of 5 % of scikit-learn's digits are replaced by others at random, in training and test images alike. The
default network trains for 5, 30 or 200 epochs; with 200 it has memorized the wrong labels. For comparison, the same
share if the images are ranked by the network's own probability of the label.
"""

import runpy
import statistics
import tempfile
from pathlib import Path

import numpy as np

from claims import Claim, at_least, figure, report
from tuitrain.config.schema import Config
from tuitrain.config.values import override
from tuitrain.hosts.explain.explainer import loaded
from tuitrain.hosts.launch import RunSpec, train_new_run
from tuitrain.hosts.suspects.find import find_suspects
from tuitrain.runs.catalog.listing import all_folders
from tuitrain.runs.folder import RunFolder
from tuitrain.training.inspect_images import inspect_split

# Epochs, the bar of the share in percent, and the number of training images.
EPOCHS, BAR, TRAINING = (5, 30, 200), 80.0, 1400
FILE = """
import numpy as np
from sklearn.datasets import load_digits


def flipped():
    random, labels = np.random.default_rng(SEED), load_digits().target.copy()
    rows = random.choice(len(labels), len(labels) // 20, replace=False)
    labels[rows] = (labels[rows] + random.integers(1, 10, len(rows))) % 10
    return rows, labels


def digits():
    images, labels = load_digits().images.astype("uint8"), flipped()[1]
    names = [str(name) for name in range(10)]
    return {"train": (images[:SIZE], labels[:SIZE]), "test": (images[SIZE:], labels[SIZE:]), "classes": names}
"""


def train(folder: Path, seed: int, epochs: int) -> RunFolder:
    file = folder / "flipped.py"
    file.write_text(FILE.replace("SEED", str(seed)).replace("SIZE", str(TRAINING)))
    settings = ("data.validation=0", "training.device=cpu", f"training.epochs={epochs}", f"training.seed={seed}")
    config = override(Config(), [f"data.dataset={file}:digits", *settings])
    train_new_run(RunSpec(config=config, runs_dir=folder / "runs"), lambda *_: None, lambda *_: None)
    return all_folders(folder / "runs")[0]


def shares(seed: int, epochs: int) -> tuple[float, float]:
    """Return the percentage of the wrong labels in the first tenth: of the suspects, and of the images for whose label
    the network gives the lowest probability."""
    with tempfile.TemporaryDirectory() as name:
        run = train(Path(name), seed, epochs)
        rows = set(runpy.run_path(str(Path(name) / "flipped.py"))["flipped"]()[0].tolist())
        found = find_suspects(run, "last", "cpu", lambda *_: None)
        first = [each.image for each in found.suspects[: len(found.suspects) // 10]]
        suspects = {image.index + TRAINING * (image.split == "test") for image in first}
        with loaded(run, "last", "cpu", lambda *_: None, None, trust=False) as setup:
            parts = [
                inspect_split(setup, split, 8, "", lambda *_: None)
                for split in (setup.dataset.train, setup.dataset.test)
            ]
        own = np.concatenate([part.probabilities[np.arange(len(part.labels)), part.labels] for part in parts])
        doubtful = set(own.argsort(kind="stable")[: len(own) // 10].tolist())
        return 100 * len(rows & suspects) / len(rows), 100 * len(rows & doubtful) / len(rows)


def claims(quick: bool) -> list[Claim]:
    seeds, rows = range(1 if quick else 5), []
    for epochs in EPOCHS:
        measured = [shares(seed, epochs) for seed in seeds]
        suspects, own = (list(column) for column in zip(*measured, strict=True))
        title = f"{epochs} epochs (n = {len(seeds)})"
        rows.append(at_least(f"wrong labels among the suspects, {title}, lowest", BAR, min(suspects), "%"))
        rows.append(figure(f"wrong labels among the suspects, {title}, median", statistics.median(suspects), "%"))
        rows.append(figure(f"by the network's own probability, {title}, median", statistics.median(own), "%"))
    return rows


if __name__ == "__main__":
    report(__file__, claims)
