import pytest
import torch

from tuitrain.training.data.transforms.crops import random_boxes, random_resized_crop


@pytest.mark.parametrize("aspect", [1.0, 1.5, 0.6, 6.0, 0.2])
@pytest.mark.parametrize("scale", [0.08, 0.6, 1.0])
def test_boxes_lie_in_the_photo_and_keep_area_and_shape(aspect: float, scale: float) -> None:
    torch.manual_seed(0)
    left, top, width, height = random_boxes(torch.full((2000,), aspect), scale)
    assert left.min() >= -1e-6
    assert top.min() >= -1e-6
    assert (left + width).max() <= aspect + 1e-5
    assert (top + height).max() <= 1 + 1e-5
    assert (width / height).min() >= 3 / 4 - 1e-5
    assert (width / height).max() <= 4 / 3 + 1e-5
    # No box of 3:4 to 4:3 has a larger part of the photo than the one in the middle.
    largest = min(aspect, 4 / 3) * min(1, aspect * 4 / 3) / aspect
    areas = width * height / aspect
    assert areas.min() >= min(scale, largest) - 1e-5
    assert areas.max() <= 1 + 1e-5
    if 0.6 <= aspect <= 1.5 and scale == 0.08:
        assert areas.min() < 0.1
        assert areas.max() > 0.75
        assert 0.3 < areas.mean() < 0.5
        assert len(set(left.tolist())) > 1900


def test_a_crop_shows_its_part_of_the_photo_undistorted() -> None:
    """The pixels of a squashed photo are their own true coordinates, so those of a crop tell where it comes from."""
    torch.manual_seed(0)
    aspect = torch.tensor([0.5, 1.0, 2.5]).repeat(20)
    pixels = (torch.arange(96) + 0.5) / 96
    x = pixels.view(1, 1, 96).expand(60, 96, 96) * aspect.view(-1, 1, 1)
    y = pixels.view(1, 96, 1).expand(60, 96, 96)
    photos = torch.stack([x, y], 1)
    state = torch.get_rng_state()
    crops = random_resized_crop(photos, aspect, (24, 24), 0.2)
    torch.set_rng_state(state)
    left, top, width, height = random_boxes(aspect, 0.2)
    inside = (torch.arange(24) + 0.5) / 24
    # At the border, bilinear sampling repeats the last pixel.
    expected_x = (left[:, None] + inside * width[:, None])[:, None, :].expand(60, 24, 24)
    torch.testing.assert_close(crops[:, 0], expected_x, atol=2.5 / 96, rtol=0)
    expected_y = (top[:, None] + inside * height[:, None])[:, :, None].expand(60, 24, 24)
    torch.testing.assert_close(crops[:, 1], expected_y, atol=2.5 / 96, rtol=0)
