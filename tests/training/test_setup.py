import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from tuitrain.config.schema import Config
from tuitrain.errors import ConfigError, DataError
from tuitrain.training.provenance import run_info
from tuitrain.training.setup import Setup, prepare

Quick = Callable[..., Config]


def prepared(config: Config) -> Setup:
    return prepare(config, lambda *_: None)


def test_epoch_order_depends_on_seed_and_epoch(quick: Quick) -> None:
    setup, again, other = (prepared(quick(f"training.seed={seed}")) for seed in (3, 3, 4))
    assert setup.epoch_order(5).sort().values.tolist() == list(range(1293))
    torch.rand(5)
    assert torch.equal(setup.epoch_order(5), again.epoch_order(5))
    orders = [tuple(each.epoch_order(epoch).tolist()) for each in (setup, other) for epoch in range(6)]
    assert len(set(orders)) == len(orders)


def test_a_balanced_sampler_draws_each_class_equally_often(quick: Quick) -> None:
    setup, other = (prepared(quick("data.sampler=balanced", f"training.seed={seed}")) for seed in (3, 4))
    counts = setup.dataset.train.labels[setup.epoch_order(5)].bincount()
    assert sorted(counts.tolist()) == [129] * 7 + [130] * 3
    torch.rand(5)
    assert torch.equal(setup.epoch_order(5), setup.epoch_order(5))
    orders = [tuple(each.epoch_order(epoch).tolist()) for each in (setup, other) for epoch in range(6)]
    assert len(set(orders)) == len(orders)


def test_epoch_order_leaves_the_global_generator_alone(quick: Quick) -> None:
    setup = prepared(quick())
    before = torch.get_rng_state()
    setup.epoch_order(0)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("seed", [0, 2**31, 2**63 - 1])
def test_largest_seeds(quick: Quick, seed: int) -> None:
    assert len(prepared(quick(f"training.seed={seed}")).epoch_order(100)) == 1293


def test_prepare_seeds_all_generators(quick: Quick) -> None:
    drawn = []
    for seed in (1, 1, 2):
        prepared(quick(f"training.seed={seed}"))
        drawn.append((torch.rand(1).item(), float(np.random.rand()), random.random()))
    assert drawn[0] == drawn[1]
    assert not set(drawn[0]) & set(drawn[2])


def test_initial_weights_depend_on_the_seed_alone(quick: Quick) -> None:
    plain = prepared(quick())
    other = prepared(quick("data.augment=[shift]", "data.batch_size=7", "optimizer.name=sgd", "data.validation=0.3"))
    for left, right in zip(plain.model.parameters(), other.model.parameters(), strict=True):
        assert torch.equal(left, right)


@pytest.mark.parametrize(
    ("size", "accumulate", "batch_norm", "images", "batches", "steps"),
    [
        (64, 1, False, 1293, 21, 21),
        (64, 4, False, 1293, 21, 6),
        (68, 1, False, 1293, 20, 20),
        (68, 1, True, 1292, 19, 19),
        (64, 1, True, 1293, 21, 21),
        (1, 1, False, 1293, 1293, 1293),
        (5000, 3, True, 1293, 1, 1),
        (1292, 1, True, 1292, 1, 1),
    ],
)
def test_images_batches_and_steps_per_epoch(
    quick: Quick, size: int, accumulate: int, batch_norm: bool, images: int, batches: int, steps: int
) -> None:  # fmt: skip
    setup = prepared(quick(f"data.batch_size={size}", f"optimizer.accumulate={accumulate}",
                         f"model.batch_norm={batch_norm}"))  # fmt: skip
    assert (setup.images_per_epoch, setup.batches_per_epoch, setup.steps_per_epoch) == (images, batches, steps)
    assert len(setup.epoch_order(0)) == images
    assert len(list(setup.dataset.train.batches(setup.epoch_order(0), size))) == batches


def test_batch_norm_needs_two_images(quick: Quick) -> None:
    message = r"data\.batch_size = 1 with 1,293 training images: batch normalization needs 2 images"
    with pytest.raises(ConfigError, match=message) as caught:
        prepared(quick("data.batch_size=1", "model.batch_norm=true"))
    assert caught.value.key == "data.batch_size"


def test_fp16_needs_a_gpu(quick: Quick) -> None:
    with pytest.raises(ConfigError, match=r"training\.precision = fp16 needs a GPU") as caught:
        prepared(quick("training.precision=fp16"))
    assert caught.value.key == "training.precision"


def test_missing_transform(quick: Quick) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        prepared(quick("data.transform=/no/such.py:change"))


def test_title_layers_and_transforms(quick: Quick) -> None:
    setup = prepared(quick("data.augment=[shift]"))
    assert run_info(setup).model == "mlp 64-128-256-10"
    assert [name for name, _ in setup.layers] == ["layers.0", "layers.2", "head"]
    assert sum(len(parameters) for _, parameters in setup.layers) == 6
    assert (setup.threads, setup.device.type, len(setup.transforms)) == (1, "cpu", 2)


def test_autocast(quick: Quick) -> None:
    for precision, expected in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        setup = prepared(quick(f"training.precision={precision}"))
        with setup.autocast():
            assert setup.model(torch.zeros(2, 1, 8, 8)).dtype == expected


def test_progress_messages(quick: Quick) -> None:
    messages: list[str] = []
    prepare(quick(), lambda doing, _: messages.append(doing))
    assert messages[0] == "reading digits"
    assert messages[-1] == "building the model"


def test_the_order_of_transforms(quick: Quick, tmp_path: Path) -> None:
    """Random changes see bytes, the user's transform normalized floats."""
    (tmp_path / "mine.py").write_text(
        "def keep(images):\n    assert abs(images.mean()) < 0.1 and images.min() < 0\n    return images\n"
    )
    setup = prepared(quick("data.augment=[shift, flip]", f"data.transform={tmp_path}/mine.py:keep"))
    kinds = []
    [(images, _)] = setup.dataset.train.batches(torch.arange(1000), 1000)
    for transform in setup.transforms:
        kinds.append((images.dtype, transform is setup.normalize))
        images = transform(images)
    assert kinds == [(torch.uint8, False), (torch.uint8, False), (torch.uint8, True), (torch.float32, False)]
    assert images.std().item() == pytest.approx(1, abs=0.05)


def test_a_network_that_timm_lacks_is_refused_before_the_data_are_read(quick: Quick) -> None:
    with pytest.raises(ConfigError, match=r"Did you mean resnet10t\?"):
        prepare(quick("model.name=timm/resnet10"), lambda *_: None, lambda *_: pytest.fail("reads the data"))


def test_one_run_cannot_train_every_fold(quick: Quick) -> None:
    with pytest.raises(ConfigError, match=r"training.folds = 3 trains one run per fold") as raised:
        prepared(quick("training.folds=3"))
    assert raised.value.key == "training.folds"
    assert len(prepared(quick("data.fold=3/3")).dataset.train) == 958
