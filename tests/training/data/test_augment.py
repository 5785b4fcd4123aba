import msgspec
import pytest
import torch
from torch import Tensor

from tuitrain.config.data.schema import Data
from tuitrain.training.data.augment import Transform, augmentations

IMAGES = torch.arange(64 * 3 * 20 * 30, dtype=torch.float32).view(64, 3, 20, 30)


def transforms(*names: str, dataset: str = "cifar10", **settings: object) -> list[Transform]:
    data = msgspec.convert({"dataset": dataset, "augment": names, **settings}, Data)
    return augmentations(data, lambda images: images if images.is_floating_point() else images.float().div_(255))


def augmented(*names: str, images: Tensor = IMAGES, dataset: str = "cifar10", **settings: object) -> Tensor:
    for transform in transforms(*names, dataset=dataset, **settings):
        images = transform(images)
    return images


def moves(image: Tensor, reach_down: int, reach_right: int) -> list[Tensor]:
    """Return all shifted versions of an image (C, H, W)."""
    height, width = image.shape[1:]
    pad = (reach_right, reach_right, reach_down, reach_down)
    padded = torch.nn.functional.pad(image[None], pad, mode="reflect")[0]
    return [
        padded[:, top : top + height, left : left + width]
        for top in range(2 * reach_down + 1)
        for left in range(2 * reach_right + 1)
    ]


def test_no_names_are_no_augmentation() -> None:
    assert transforms(dataset="mnist") == []


@pytest.mark.parametrize(("name", "down", "right"), [("shift", 2, 3), ("crop", 2, 3)])
def test_each_image_is_moved_within_reach_on_its_own(name: str, down: int, right: int) -> None:
    torch.manual_seed(0)
    found = set()
    for image, result in zip(IMAGES, augmented(name), strict=True):
        equal = [index for index, moved in enumerate(moves(image, down, right)) if torch.equal(moved, result)]
        assert len(equal) == 1
        found.add(equal[0])
    assert len(found) > 15


def test_flip_turns_about_half() -> None:
    torch.manual_seed(0)
    result = augmented("flip")
    turned = [torch.equal(image, other.flip(2)) for image, other in zip(IMAGES, result, strict=True)]
    same = [torch.equal(image, other) for image, other in zip(IMAGES, result, strict=True)]
    assert all(a != b for a, b in zip(turned, same, strict=True))
    assert 20 < sum(turned) < 44


@pytest.mark.parametrize(
    ("dataset", "same_as"),
    [("mnist", ("shift",)), ("fashion-mnist", ("flip", "shift")), ("image-folder", ("crop", "flip", "flip"))],
)
def test_auto_depends_on_the_data_set(dataset: str, same_as: tuple[str, ...]) -> None:
    torch.manual_seed(1)
    automatic = augmented("auto", dataset=dataset)
    torch.manual_seed(1)
    assert torch.equal(automatic, augmented(*same_as, dataset=dataset))


def test_it_draws_from_the_global_generator_and_keeps_the_batch() -> None:
    torch.manual_seed(2)
    state = torch.get_rng_state()
    first, second = augmented("auto"), augmented("auto")
    torch.set_rng_state(state)
    assert torch.equal(first, augmented("auto"))
    assert not torch.equal(first, second)
    assert torch.equal(IMAGES, torch.arange(IMAGES.numel(), dtype=torch.float32).view_as(IMAGES))


@pytest.mark.parametrize("shape", [(1, 1, 8, 8), (2, 1, 1, 1), (3, 3, 4, 4)])
def test_small_images_work(shape: tuple[int, ...]) -> None:
    images = torch.rand(shape)
    result = augmented("shift", "flip", "crop", images=images.to(memory_format=torch.channels_last))
    assert result.shape == images.shape
    assert set(result.flatten().tolist()) <= set(images.flatten().tolist())


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
@pytest.mark.parametrize("shape", [(9, 3, 20, 30), (4, 1, 5, 2), (3, 3, 4, 4)])
def test_photos_are_changed_as_small_images_are(
    monkeypatch: pytest.MonkeyPatch, shape: tuple[int, ...], dtype: torch.dtype
) -> None:
    """A loop over large images gives what the operations on the whole batch give."""
    images = torch.randint(0, 256, shape, generator=torch.Generator().manual_seed(0)).to(dtype)
    found = []
    for least in (1, 10**9):
        monkeypatch.setattr("tuitrain.training.data.augment._PHOTO", least)
        torch.manual_seed(3)
        found.append((augmented("shift", "flip", "crop", images=images), torch.rand(1)))
    assert all(map(torch.equal, *found))
