"""Built-in images are resized batch by batch, and keep their size in memory."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tuitrain.config.schema import Config
from tuitrain.hosts.evaluate import evaluate_checkpoint
from tuitrain.hosts.launch import resume_run
from tuitrain.runs.control import Inbox
from tuitrain.runs.follower import Follower
from tuitrain.training.data.normalize import Normalization, Normalizer
from tuitrain.training.data.resize import Resize
from tuitrain.training.data.splits import MemorySplit
from tuitrain.training.export.sample import sample_images
from tuitrain.training.export.trained import load
from tuitrain.training.setup import prepare

pytestmark = pytest.mark.usefixtures("one_thread")
CPU = torch.device("cpu")
Train = Callable[..., Follower]


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic", "nearest"])
@pytest.mark.parametrize("size", [5, 8, 20, 57])
def test_batches_are_resized_as_photos_are(interpolation: str, size: int) -> None:
    # Pillow limits the values between its two passes, so that stronger contrasts would differ.
    images = torch.randint(100, 156, (3, 3, 20, 20), dtype=torch.uint8)
    method = Image.Resampling[interpolation.upper()]
    expected = [
        torch.from_numpy(np.array(Image.fromarray(image.permute(1, 2, 0).numpy()).resize((size, size), method)))
        for image in images
    ]
    normalize = Normalizer(Normalization.none(3), CPU, Resize((size, size), interpolation))
    found = (normalize(images) * 255).permute(0, 2, 3, 1)
    # Pillow rounds to bytes after each direction.
    assert (found - torch.stack(expected).float()).abs().max() <= 2
    assert 0 <= found.min() <= found.max() <= 255


def test_batches_of_several_runs_are_resized_as_one() -> None:
    images = torch.randint(0, 17, (2, 4, 1, 8, 8), dtype=torch.uint8)
    normalizers = [Normalizer(Normalization((mean,), (0.3,), 16), CPU, Resize((12, 12))) for mean in (0.2, 0.4)]
    together = Normalizer.stacked(normalizers)(images)
    assert together.shape == (2, 4, 1, 12, 12)
    for one, normalize, alone in zip(together, normalizers, images, strict=True):
        assert torch.equal(one, normalize(alone))


def test_memory_holds_the_original_images(quick: Callable[..., Config]) -> None:
    setup = prepare(quick("model.name=cnn", "data.image_size=32"), lambda *_: None)
    train = setup.dataset.train
    assert isinstance(train, MemorySplit)
    assert (train.images.dtype, train.images.shape[1:]) == (torch.uint8, (1, 8, 8))
    assert setup.dataset.shape == (1, 32, 32)
    images, labels = next(train.batches(torch.arange(3), 3))
    assert setup.inputs_and_labels(images, labels)[0].shape == (3, 1, 32, 32)


def test_a_run_on_resized_images_is_evaluated_and_resumed(train: Train) -> None:
    run = train("model.hidden=[8]", "data.image_size=16", "data.augment=[shift]", "training.epochs=1")
    assert run.folder.info().shape == (1, 16, 16)
    assert run.folder.info().model == "mlp 256-8-10"
    stored = run.folder.evaluation("test")
    again = evaluate_checkpoint(run.folder, "test", "last", "cpu", lambda *_: None)
    assert stored is not None
    assert (again.loss, again.predicted) == (stored.loss, stored.predicted)
    sample = sample_images(load(run.folder, "last"))
    assert (sample.kind, sample.images.dtype, sample.images.shape[1:]) == ("test", torch.uint8, (1, 16, 16))
    assert resume_run(run.folder, lambda *_: None, Inbox(run.folder), epochs=2).status == "finished"


def test_a_run_of_an_older_version_resumes_and_is_evaluated_at_the_original_size(train: Train) -> None:
    """It contains the former default, 64, which did not apply to built-in images."""
    run = train("model.name=cnn", "model.channels=[4]", "training.epochs=1")
    text = re.sub(r"\nresize_builtin = .*", "", run.folder.config_file.read_text())
    run.folder.config_file.write_text(text.replace('image_size = "auto"', "image_size = 64"))
    stored = run.folder.evaluation("test")
    again = evaluate_checkpoint(run.folder, "test", "last", "cpu", lambda *_: None)
    assert stored is not None
    assert (again.loss, again.predicted) == (stored.loss, stored.predicted)
    assert resume_run(run.folder, lambda *_: None, Inbox(run.folder), epochs=2).status == "finished"
    assert run.folder.info().shape == (1, 8, 8)


def test_images_get_the_size_of_the_weights(quick: Callable[..., Config], tmp_path: Path) -> None:
    from safetensors.torch import save_file
    from torchvision.models import mobilenet_v3_small

    save_file(mobilenet_v3_small(num_classes=10).state_dict(), tmp_path / "w.safetensors")
    settings = ("model.name=mobilenet_v3_small", f"model.weights={tmp_path / 'w.safetensors'}")
    assert prepare(quick(*settings), lambda *_: None).dataset.shape == (1, 224, 224)
    kept = prepare(quick(*settings, "data.resize_builtin=false"), lambda *_: None)
    assert kept.dataset.shape == (1, 8, 8)
    assert prepare(quick("model.name=mobilenet_v3_small"), lambda *_: None).dataset.shape == (1, 8, 8)
