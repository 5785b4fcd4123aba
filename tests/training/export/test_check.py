"""The comparison of an export with the run, and the images that it takes."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from training.export.photos import write_photos
from tuitrain.config.values import override
from tuitrain.errors import RunError
from tuitrain.hosts.export import export
from tuitrain.runs.follower import Follower
from tuitrain.training.export.check import compare
from tuitrain.training.export.sample import Sample, sample_images
from tuitrain.training.export.trained import load

REGRESSION = ("model.name=mlp", "model.hidden=[]", "training.epochs=1")


@pytest.mark.parametrize(
    ("change", "accepted"),
    [
        (lambda logits: logits, True),
        (lambda logits: logits + 1e-6, True),
        (lambda logits: logits + 1, False),
        (lambda logits: logits * float("nan"), False),
        (lambda logits: logits[:, :-1], False),
        (lambda logits: logits.flip(0), False),
    ],
)
def test_differences_beyond_rounding_are_errors(
    train: Callable[..., Follower], change: Callable[[Tensor], Tensor], accepted: bool
) -> None:
    trained = load(train(*REGRESSION).folder, "last")
    sample = sample_images(trained)
    assert (len(sample.images), sample.kind) == (256, "test")
    sizes = []

    def run(images: Tensor) -> Tensor:
        sizes.append(len(images))
        return change(trained.network(images))

    if accepted:
        sentence = str(compare(trained, sample, run, "normalized"))
        assert sentence.startswith("checked on 256 test images: same class for all, largest difference of logits ")
        assert len(set(sizes)) > 1
    else:
        with pytest.raises(RunError, match=r"differs from|returns logits"):
            compare(trained, sample, run, "normalized")


def test_ties_and_logits_that_are_not_finite_are_no_difference(train: Callable[..., Follower]) -> None:
    trained = load(train(*REGRESSION).folder, "last")
    with torch.no_grad():
        for parameter in trained.network.parameters():
            parameter.zero_()
        trained.network.get_parameter("head.bias")[3] = 1e-7
    sample = Sample(torch.zeros(1, 1, 8, 8, dtype=torch.uint8), "random", "it is gone.")
    sentence = str(compare(trained, sample, lambda images: torch.zeros(len(images), 10), "normalized"))
    assert sentence == (
        "checked on 1 random image: same class for all but 1, whose two best classes tie, largest difference of logits"
        " 1e-07 (the test images cannot be read: it is gone)"
    )
    for value in ("nan", "inf"):
        with torch.no_grad():
            trained.network.get_parameter("head.bias").fill_(float(value))
        assert compare(trained, sample, trained.network, "normalized").difference == 0


def test_random_images_replace_those_that_are_gone(train: Callable[..., Follower], tmp_path: Path) -> None:
    photos = write_photos(tmp_path / "photos", 4, 2)
    run = train(*REGRESSION, "data.dataset=image-folder", f"data.dir={photos}", "data.image_size=16")
    assert export(run.folder, "safetensors", tmp_path / "a.safetensors").check.startswith("checked on 6 test images:")
    photos.rename(tmp_path / "elsewhere")
    check = export(run.folder, "safetensors", tmp_path / "b.safetensors").check
    assert check.startswith("checked on 256 random images: same class for all")
    assert check.endswith(f"(the test images cannot be read: There is no folder {photos})")


def test_no_data_set_is_downloaded(train: Callable[..., Follower], tmp_path: Path) -> None:
    run = train(*REGRESSION)
    run.folder.write_config(override(run.folder.config(), ["data.dataset=mnist", f"data.dir={tmp_path}"]))
    check = export(run.folder, "safetensors", tmp_path / "net.safetensors").check
    assert check.startswith("checked on 256 random images: ")
    assert check.endswith("(the test images cannot be read: mnist is not on this machine)")
