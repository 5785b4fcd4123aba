"""Images per second that reach the training loop from a folder of photos, compared with a textbook pipeline.

    uv run python benchmarks/photos.py [--quick] [--write]

JPEGs of 640x427 pixels, made from the photos of scikit-learn by random crops and changes of brightness; images of 224
pixels, batches of 64. Textbook: ImageFolder, transforms.v2 (Resize, CenterCrop, flip, ToImage, ToDtype, Normalize) and
a DataLoader with one worker per core, which lives on between epochs. Both deliver the middle square, flipped at random,
as normalized float32 batches, and use all cores. The first epochs include finding the files, and that of tuitrain also
identifying them and measuring their mean and deviation. Times are wall-clock times, and each figure is the median of
several turns.
"""

import tuitrain.training  # noqa: F401 (it sets up OpenMP, which torch loads)

# isort: split
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

from claims import Claim, at_least, figure, report
from tuitrain.cli.output import print_message
from tuitrain.config.schema import Config
from tuitrain.config.values import override
from tuitrain.runs.process import available_cores
from tuitrain.training.setup import prepare

SIZE, BATCH = 224, 64
PHOTO = (640, 427)
FIRST, LATER = 1.5, 5.0
Epoch = Callable[[], Iterator[Tensor]]


def make_photos(folder: Path, count: int) -> None:
    from sklearn.datasets import load_sample_images

    rng = np.random.default_rng(0)
    photos = [Image.fromarray(photo) for photo in load_sample_images().images]
    for number in range(count):
        photo = photos[number % len(photos)]
        left, top = int(rng.integers(0, 60)), int(rng.integers(0, 40))
        part = photo.crop((left, top, photo.width - int(rng.integers(0, 60)), photo.height - int(rng.integers(0, 40))))
        image = part.resize(PHOTO).point(partial(_brighter, rng.uniform(0.7, 1.1)))
        path = folder / "ab"[number % 2] / f"{number:05}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        image.save(path, quality=90)


def _brighter(factor: float, value: int) -> float:
    return value * factor


def textbook(folder: Path) -> Epoch:
    transform = v2.Compose([
        v2.Resize(SIZE), v2.CenterCrop(SIZE), v2.RandomHorizontalFlip(), v2.ToImage(),
        v2.ToDtype(torch.float32, scale=True), v2.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
    ])  # fmt: skip
    loader = DataLoader(
        ImageFolder(str(folder), transform), BATCH, shuffle=True, num_workers=available_cores(), persistent_workers=True
    )
    return lambda: (images for images, _ in loader)


def ours(folder: Path, storage: str) -> Epoch:
    """Return the epochs of a run, which holds out a fifth of the images for the test."""
    config = override(Config(), [
        "data.dataset=image-folder", f"data.dir={folder}", f"data.image_size={SIZE}", f"data.batch_size={BATCH}",
        f"data.storage={storage}", "data.validation=0", "data.augment=[flip]", "training.device=cpu",
        "model.name=mlp", "model.hidden=[]", f"training.threads={available_cores()}",
    ])  # fmt: skip
    setup = prepare(config, lambda *_: None)

    def epoch() -> Iterator[Tensor]:
        for images, _ in setup.dataset.train.batches(setup.epoch_order(0), BATCH):
            for transform in setup.transforms:
                images = transform(images)
            yield images

    return epoch


def speeds(make: Callable[[], Epoch], images: int) -> tuple[float, float]:
    """Return images per second in the first epoch, which includes `make`, and in the second one."""
    found: list[float] = []
    begun = time.perf_counter()
    epoch = make()
    for _ in range(2):
        seen = sum(len(batch) for batch in epoch())
        now = time.perf_counter()
        # The first epoch reads all images, also those that are held out.
        found.append((seen if found else images) / (now - begun))
        begun = now
    return found[0], found[1]


def claims(quick: bool) -> list[Claim]:
    count, turns = (300, 1) if quick else (1500, 3)
    ratios: dict[str, list[float]] = {}
    figures: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as place:
        folder, few = Path(place) / "photos", Path(place) / "few"
        make_photos(few, 20)
        make_photos(folder, count)
        # Imports are not part of the first epoch, as those of the textbook's workers are not.
        speeds(partial(ours, few, "memory"), 20)
        for turn in range(turns):
            # A new cache folder, so that the images are decoded in each turn.
            os.environ["XDG_CACHE_HOME"] = f"{place}/{turn}"
            print_message(f"photos: turn {turn + 1} of {turns}")
            before = speeds(partial(textbook, folder), count)
            measured = {storage: speeds(partial(ours, folder, storage), count) for storage in ("memory", "cache")}
            again = speeds(partial(ours, folder, "cache"), count)
            after = speeds(partial(textbook, folder), count)
            first, later = map(statistics.fmean, zip(before, after, strict=True))
            figures.setdefault("textbook, later epochs", []).append(later)
            for storage, (ours_first, ours_later) in measured.items():
                ratios.setdefault(f"{storage}, first epoch", []).append(ours_first / first)
                ratios.setdefault(f"{storage}, later epochs", []).append(ours_later / later)
            figures.setdefault("in memory, later epochs", []).append(measured["memory"][1])
            figures.setdefault("cache file, first epoch of the next run", []).append(again[0])
    bars = {"first": FIRST, "later": LATER}
    found = [
        at_least(f"{name}: tuitrain / textbook (n = {turns})", bars[name.split()[1]], statistics.median(values), "x")
        for name, values in ratios.items()
    ]
    return found + [figure(name, statistics.median(values), "images/s") for name, values in figures.items()]


if __name__ == "__main__":
    report(__file__, claims)
