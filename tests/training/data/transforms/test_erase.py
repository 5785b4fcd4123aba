import torch

from tuitrain.training.data.transforms.erase import erase


def test_rectangles_in_the_mean_color() -> None:
    torch.manual_seed(0)
    images = torch.rand(400, 3, 20, 30)
    erased = erase(images, 0.25)
    changed = (erased != images).any(1)
    count = int(changed.any(2).any(1).sum())
    assert 70 < count < 130
    areas = changed.float().mean((1, 2))
    assert areas.max() < 0.36
    assert areas[areas > 0].min() > 0.005
    for image, before, mask in zip(erased, images, changed, strict=True):
        if mask.any():
            rows, columns = mask.any(1).nonzero().flatten(), mask.any(0).nonzero().flatten()
            assert mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all()
            mean = before.mean((1, 2))
            torch.testing.assert_close(image[:, mask], mean[:, None].expand(3, int(mask.sum())))
