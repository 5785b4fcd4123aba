"""Speed of `tuitrain predict` on photos, compared with an evaluation of the same photos.

    uv run python benchmarks/predict.py [--quick] [--write]

1,000 JPEGs of 640x427 pixels, and a cnn on images of 224 pixels, on the CPU. Both read the files, decode them and
compute the probabilities; the evaluation decodes all of them first, as `tuitrain evaluate` does. A prediction runs
between two evaluations, and each figure is the median of several turns.
"""

import statistics
import tempfile
import time
from pathlib import Path

from claims import Claim, at_least, figure, report
from photos import make_photos
from tuitrain.cli.output import print_message
from tuitrain.config.schema import Config
from tuitrain.config.values import override
from tuitrain.hosts.launch import RunSpec, train_new_run
from tuitrain.runs.folder import RunFolder
from tuitrain.training.evaluation.evaluate import evaluate
from tuitrain.training.prediction.predictor import Predictor
from tuitrain.training.setup import prepare

# Equal speed; 3 % are the error of the measurement.
RATIO = 0.97


def train(runs: Path, photos: Path) -> RunFolder:
    created: list[RunFolder] = []
    config = override(Config(), [
        "data.dataset=image-folder", f"data.dir={photos}", "data.image_size=224", "data.validation=0",
        "data.storage=memory", "training.device=cpu", "model.name=cnn", "model.channels=[8, 16]", "training.epochs=1",
    ])  # fmt: skip
    train_new_run(RunSpec(config=config, runs_dir=runs), lambda *_: None, lambda folder, _: created.append(folder))
    return created[0]


def evaluation(folder: RunFolder) -> tuple[float, list[int]]:
    """Return the seconds of an evaluation of the test split, and its predictions."""
    begun = time.perf_counter()
    setup = prepare(folder.config(), lambda *_: None, before=folder.info(), has_checkpoint=True, only="test")
    data = setup.dataset
    result = evaluate(setup.model, data.test, setup.normalize, data.shape, len(data.classes), setup.autocast)
    return time.perf_counter() - begun, result.predicted.tolist()


def prediction(folder: RunFolder, paths: list[str]) -> float:
    predictor = Predictor.of_run(folder, folder.config(), "last")
    begun = time.perf_counter()
    assert all(found.top for found in predictor.classify(paths, 3))
    return time.perf_counter() - begun


def claims(quick: bool) -> list[Claim]:
    count, turns = (200, 2) if quick else (1000, 3)
    ratios, speeds = [], []
    with tempfile.TemporaryDirectory() as place:
        photos = Path(place) / "photos"
        make_photos(photos / "train", 20)
        make_photos(photos / "test", count)
        folder = train(Path(place) / "runs", photos)
        paths = sorted(map(str, (photos / "test").rglob("*.jpg")))
        for turn in range(turns):
            print_message(f"predict: turn {turn + 1} of {turns}")
            before, _ = evaluation(folder)
            seconds = prediction(folder, paths)
            after, _ = evaluation(folder)
            ratios.append((before + after) / 2 / seconds)
            speeds.append(count / seconds)
    return [
        at_least(f"predict / evaluate, {count:,} photos (n = {turns})", RATIO, statistics.median(ratios), "x"),
        figure("predict", statistics.median(speeds), "images/s"),
    ]


if __name__ == "__main__":
    report(__file__, claims)
