"""Accuracy of fine-tuning a pretrained network, and the speed of epochs on cached features.

    uv run python benchmarks/fine_tuning.py [--quick] [--write]

2,000 training and 500 test photos of five classes, enlarged from 32 to 128 pixels, and EfficientNet-Lite0 with ImageNet
weights; one run each, without a validation split. Requires the folder of `claims.DATA`, with photos-5-classes.tar and
weights/tf_efficientnet_lite0.safetensors. `--quick` leaves out fine-tuning.
"""

import tarfile
import tempfile
from pathlib import Path

from claims import DATA, Claim, at_least, report
from tuitrain.cli.output import print_message
from tuitrain.config.schema import Config
from tuitrain.config.values import override
from tuitrain.hosts.launch import RunSpec, train_new_run
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.follower import Follower
from tuitrain.runs.records import State

WEIGHTS = DATA / "weights" / "tf_efficientnet_lite0.safetensors"
COMMON = (
    "data.dataset=image-folder", "data.validation=0", "data.image_size=128", "model.name=timm/tf_efficientnet_lite0",
    "optimizer.name=adamw", "training.device=cpu",
)  # fmt: skip
PROBE = (f"model.weights={WEIGHTS}", "finetune.freeze=backbone", "optimizer.lr=0.001")
FINE_TUNE = (
    "optimizer.lr=0.0005", "optimizer.weight_decay=0.05", "finetune.layer_decay=0.85", "data.augment=[flip]",
    "training.label_smoothing=0.1", "schedule.name=cosine", "schedule.warmup=0.5", "training.epochs=5",
)  # fmt: skip


def train(runs: Path, *settings: str) -> tuple[RunFolder, State]:
    created: list[RunFolder] = []
    config = override(Config(), (*COMMON, f"data.dir={photos()}", *settings))
    print_message(f"training: {' '.join(settings)}")
    spec = RunSpec(config=config, runs_dir=runs)
    state = train_new_run(spec, lambda *_: None, lambda folder, _: created.append(folder))
    return created[0], state


def photos() -> Path:
    folder = Path(tempfile.gettempdir()) / "tuitrain-photos"
    if not folder.exists():
        with tarfile.open(DATA / "photos-5-classes.tar") as archive:
            archive.extractall(folder, filter="data")
    return next(path.parent for path in folder.rglob("train"))


def seconds_per_epoch(folder: RunFolder) -> float:
    """Return the training time of the last epoch."""
    run = Follower(folder)
    while run.poll():
        pass
    epochs, seconds = list(run.train["epoch"]), list(run.train["seconds"])
    before = [second for epoch, second in zip(epochs, seconds, strict=True) if epoch < epochs[-1]]
    return seconds[-1] - (before[-1] if before else 0.0)


def accuracy(state: State) -> float:
    assert state.test is not None
    return 100 * state.test.accuracy


def claims(quick: bool) -> list[Claim]:
    with tempfile.TemporaryDirectory() as folder:
        runs = Path(folder)
        probe, probed = train(runs, *PROBE, "training.epochs=20")
        # A user's transform, even one that changes nothing, prevents computing the features only once.
        transform = runs / "same.py"
        transform.write_text("def same(images):\n    return images\n")
        uncached, _ = train(runs, *PROBE, "training.epochs=1", f"data.transform={transform}:same")
        ratio = seconds_per_epoch(uncached) / seconds_per_epoch(probe)
        found = [
            at_least("linear probe, 20 epochs: test accuracy", 82, accuracy(probed), "%"),
            at_least("an epoch on features computed once, times as fast as on photos", 20, ratio, "x"),
        ]
        if not quick:
            _, tuned = train(runs, f"model.weights=run:{probe.id}", *FINE_TUNE)
            found.append(at_least("fine-tuning the probe for 5 epochs: test accuracy", 87, accuracy(tuned), "%"))
        return found


if __name__ == "__main__":
    report(__file__, claims)
