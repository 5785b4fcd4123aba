"""The estimated memory and arithmetic of a step are those of a real step."""

import pytest
import torch
import torch.nn.functional as F

from tuitrain.analysis.memory import StepEstimate
from tuitrain.config.schema import Config
from tuitrain.config.values import override
from tuitrain.training.estimate.fake import GpuAutocast, meta_model
from tuitrain.training.estimate.measure import measure_peak
from tuitrain.training.estimate.random_images import random_images
from tuitrain.training.estimate.step import estimate_step
from tuitrain.training.memory import kept_bytes
from tuitrain.training.setup import prepare

SHAPE, CLASSES = (3, 16, 16), 10
CPU, CUDA = torch.device("cpu"), torch.device("cuda")


def config(*settings: str) -> Config:
    quick = ("training.device=cpu", "training.threads=1", "data.validation=0", "data.batch_size=32")
    return override(Config(), (*quick, *settings))


def estimate(*settings: str, device: torch.device = CPU) -> StepEstimate:
    return estimate_step(config(*settings), SHAPE, CLASSES, device)


@pytest.mark.usefixtures("restored_torch_settings")
@pytest.mark.parametrize(
    "settings",
    [
        ("model.hidden=[512, 256]",),
        ("model.name=cnn", "model.batch_norm=true", "optimizer.name=sgd", "optimizer.accumulate=2"),
        ("model.name=resnet18", "optimizer.name=sgd", "optimizer.momentum=0.9", "training.precision=bf16"),
    ],
)
def test_the_peak_is_that_of_a_real_step(settings: tuple[str, ...]) -> None:
    setup = prepare(config(*settings), lambda *_: None, random_images(SHAPE, CLASSES, 64))
    assert estimate(*settings).training == pytest.approx(measure_peak(setup), rel=0.15)


@pytest.mark.parametrize(
    ("settings", "tensors"),
    [
        (("optimizer.name=sgd",), 0),
        (("optimizer.name=sgd", "optimizer.momentum=0.9"), 1),
        (("optimizer.name=adam",), 2),
        (("optimizer.name=nadam",), 2),
        (("optimizer.name=rmsprop", "optimizer.momentum=0.9"), 2),
        (("optimizer.name=adagrad",), 1),
    ],
)
def test_the_optimizer_keeps_its_tensors_for_each_weight(settings: tuple[str, ...], tensors: int) -> None:
    found = estimate(*settings)
    # Each weight also has a step number.
    assert found.optimizer == pytest.approx(4 * tensors * found.parameters, abs=200)
    assert found.gradients == found.weights == 4 * found.parameters


@pytest.mark.parametrize(
    "settings",
    [
        ("optimizer.name=sgd",),
        ("optimizer.name=adagrad", "training.ema=0.9"),
        ("optimizer.name=muon", "model.hidden=[64, 32]"),
        ("model.name=resnet18", "finetune.freeze=backbone"),
        ("model.name=resnet18", "finetune.freeze_epochs=1"),
    ],
)
def test_the_check_before_a_network_is_built_counts_the_same(settings: tuple[str, ...]) -> None:
    """The estimate also has the buffers of the network, and the number of the step for each weight."""
    found, changed = estimate(*settings), config(*settings)
    network = meta_model(changed, SHAPE, CLASSES)
    assert network is not None
    kept, gradients = kept_bytes(changed, network)
    assert gradients == found.gradients
    assert kept == pytest.approx(found.weights + found.optimizer + found.average, rel=0.002)


def test_muon_keeps_one_tensor_for_hidden_matrices_and_two_for_the_rest() -> None:
    found = estimate("optimizer.name=muon", "model.hidden=[100]")
    assert found.optimizer == pytest.approx(4 * (768 * 100 + 2 * (100 + 100 * 10 + 10)), abs=200)


def test_operations_are_those_of_the_matrix_products_of_forward_and_backward_pass() -> None:
    # The backward pass computes the gradients of the weights, and of all inputs but the images.
    forward = 2 * 32 * (768 * 100 + 100 * 10)
    assert estimate("model.hidden=[100]").flops == 2 * forward + 2 * 32 * 100 * 10
    assert estimate("model.hidden=[100]", "optimizer.accumulate=3").flops > 3 * 2 * forward


def test_an_estimate_does_not_normalize_a_huge_batch_in_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tuitrain.training.data.normalize.chunks", None)
    assert estimate("data.batch_size=1000000000", "model.hidden=[2]").inputs == 10**9 * (4 * 768 + 8)


def test_a_lower_precision_halves_the_activations_and_keeps_the_weights() -> None:
    full, half = estimate("model.name=cnn"), estimate("model.name=cnn", "training.precision=bf16")
    assert half.weights == full.weights
    assert half.activations < 0.7 * full.activations


def test_a_gpu_normalizes_layers_in_float32() -> None:
    values = torch.ones(2, 3, dtype=torch.bfloat16)
    with GpuAutocast():
        found = [F.layer_norm(values, (3,)), F.softmax(values, 1), torch.softmax(values, 1), values.softmax(1)]
        assert {value.dtype for value in found} == {torch.float32}
        assert F.relu(values).dtype == torch.bfloat16


def test_a_gpu_without_a_fused_kernel_buffers_all_updates() -> None:
    found = estimate("optimizer.name=nadam", "data.batch_size=1", device=CUDA)
    assert found.training >= found.weights + 2 * found.gradients + found.optimizer


def test_an_average_is_a_copy_of_the_weights() -> None:
    found = estimate("training.ema=0.99")
    assert found.average == found.weights
    assert found.evaluation >= 2 * found.average + found.weights


def test_a_frozen_network_keeps_gradients_and_state_of_its_classifier_only() -> None:
    frozen = ("model.name=resnet18", "finetune.freeze=backbone", "data.augment=[flip]")
    found, full = estimate(*frozen), estimate("model.name=resnet18")
    assert found.parameters == full.parameters
    assert found.trainable == 512 * 10 + 10
    assert found.gradients == 4 * found.trainable
    assert found.activations < full.activations / 100
    assert found.features == 0


def test_without_augmentation_the_features_of_a_frozen_network_are_computed_once() -> None:
    found = estimate("model.name=resnet18", "finetune.freeze=backbone")
    assert found.features == 512
    labels = 32 * 8
    assert found.inputs == 32 * 4 * 512 + labels


def test_a_network_that_thaws_is_estimated_with_all_its_weights() -> None:
    found = estimate("model.name=resnet18", "finetune.freeze_epochs=1", "training.epochs=2")
    assert found.trainable == found.parameters


def test_a_huge_network_is_estimated_without_allocating_it() -> None:
    # 65,536 x 65,536 weights are 16 GiB.
    found = estimate("model.hidden=[65536, 65536]")
    assert found.weights > 2**34
    assert found.training > 4 * found.weights
