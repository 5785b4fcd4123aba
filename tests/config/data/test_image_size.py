import pytest

from tuitrain.config.data.datasets import DATASETS
from tuitrain.config.data.image_size import image_size, sized
from tuitrain.config.schema import Config
from tuitrain.config.toml import add_former_defaults, config_from_tree
from tuitrain.config.values import override

PRETRAINED = ("model.name=resnet18", "model.weights=pretrained")


@pytest.mark.parametrize(("settings", "known", "expected"), [
    ((), 0, 0),
    (("model.name=resnet18",), 0, 0),
    (("model.name=timm/resnet18",), 0, 0),
    (PRETRAINED, 0, 224),
    (PRETRAINED, 96, 96),
    (("model.name=inception_v3", "model.weights=w.pt"), 0, 299),
    (("model.name=cnn", "model.weights=w.pt"), 0, 0),
    (("model.name=cnn", "model.weights=w.pt"), 28, 28),
    (("model.name=mine.py:Net", "model.weights=w.pt"), 0, 0),
    (("data.image_size=40",), 0, 40),
    ((*PRETRAINED, "data.image_size=40"), 96, 40),
    ((*PRETRAINED, "data.image_size=40", "data.resize_builtin=false"), 96, 0),
    ((*PRETRAINED, "data.resize_builtin=false"), 96, 0),
])  # fmt: skip
@pytest.mark.parametrize("name", ["digits", "mnist", "cifar10"])
def test_built_in_images_are_resized_for_weights_or_on_demand(
    name: str, settings: tuple[str, ...], known: int, expected: int
) -> None:
    assert image_size(override(Config(), (f"data.dataset={name}", *settings)), known) == expected


def test_files_always_have_a_size() -> None:
    def size(*settings: str, known: int = 0) -> int:
        return image_size(override(Config(), ("data.dataset=image-folder", "data.dir=x", *settings)), known)

    assert size() == 64
    assert size("data.resize_builtin=false", *PRETRAINED) == 224
    assert size(*PRETRAINED, known=96) == 96
    assert size("data.image_size=40", known=96) == 40


def test_the_folder_of_an_older_version_keeps_the_size_of_built_in_images() -> None:
    tree = {"data": {"dataset": "mnist", "image_size": 64}}
    assert image_size(config_from_tree(add_former_defaults(tree), "config.toml")) == 0
    assert image_size(config_from_tree({"data": {"dataset": "mnist", "image_size": 64}}, "run.toml")) == 64


def test_all_built_in_images_are_squares() -> None:
    assert all(info.shape[1] == info.shape[2] for info in DATASETS.values())
    assert (sized((3, 32, 32), 0), sized((3, 32, 32), 8)) == ((3, 32, 32), (3, 8, 8))
