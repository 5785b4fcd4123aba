from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tuitrain.config.schema import Config
from tuitrain.training.data.decoding.decode import ImageError
from tuitrain.training.data.splits import StreamedSplit
from tuitrain.training.embed import embed_split
from tuitrain.training.inspect_images import inspect_split
from tuitrain.training.setup import prepare


def test_features_probabilities_thumbnails_and_digests_are_those_of_the_images(quick: Callable[..., Config]) -> None:
    setup = prepare(quick("model.hidden=8"), lambda *_: None)
    split = setup.dataset.test
    said: list[str] = []
    found = inspect_split(setup, split, 4, "test", lambda what, _: said.append(what))
    np.testing.assert_allclose(found.features, embed_split(setup, split).features, rtol=1e-6)
    images, labels = next(split.batches(torch.arange(360), 360))
    with torch.no_grad():
        expected = setup.model.eval()(setup.normalize(images)).softmax(1)
    np.testing.assert_allclose(found.probabilities, expected, atol=1e-6)
    blocks = images.float().view(360, 4, 2, 4, 2).mean((2, 4)).flatten(1) * 255 / 16
    assert np.abs(found.thumbnails - blocks.numpy()).max() <= 0.51
    assert found.labels.tolist() == labels.tolist()
    assert len(set(found.digests)) == len({image.numpy().tobytes() for image in images})
    assert said[-1] == "comparing test images: 360 of 360"


class Reader:
    """Reads images of one grey level each, but not the file b."""

    shape = (1, 8, 8)

    def __call__(self, path: str) -> Tensor:
        if path == "b":
            raise ImageError("damaged")
        return torch.full((1, 8, 8), ord(path), dtype=torch.uint8)


def test_a_replacement_is_no_copy_of_an_unreadable_image(quick: Callable[..., Config]) -> None:
    setup = prepare(quick("model.hidden=8"), lambda *_: None)
    reader: Any = Reader()
    split = StreamedSplit(["a", "b", "c"], torch.tensor([0, 1, 2]), reader, setup.device)
    found = inspect_split(setup, split, 4, "training", lambda *_: None)
    assert len(set(found.digests)) == 3
    assert not found.features[1].any()
    assert found.features[0].any()
