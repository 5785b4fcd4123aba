from collections import Counter
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.metrics import accuracy_score, confusion_matrix, log_loss
from torch import Tensor, nn

from training.data.image_folders import CPU, classes_of, read
from tuitrain.config.schema import Config
from tuitrain.training.data.decoding.decode import ImageReader
from tuitrain.training.data.normalize import Normalizer
from tuitrain.training.data.splits import MemorySplit, Split
from tuitrain.training.evaluation.evaluate import (
    Result,
    batch_size,
    evaluate,
    image_names,
    worst_samples,
)
from tuitrain.training.setup import Setup, prepare

Quick = Callable[..., Config]
SHAPE = (1, 8, 8)
NOTHING = np.zeros((0, 0), np.float16)


@pytest.fixture
def setup(quick: Quick) -> Setup:
    """A model with some correct and many wrong predictions."""
    setup = prepare(quick("model.dropout=0.5", "model.batch_norm=true"), lambda *_: None)
    for images, labels in setup.dataset.train.batches(setup.epoch_order(0)[:320], 64):
        torch.autograd.backward(F.cross_entropy(setup.model(setup.normalize(images)), labels))
        setup.optimizer.step()
        setup.optimizer.zero_grad()
    return setup


def held_out(setup: Setup) -> MemorySplit:
    split = setup.dataset.test
    assert isinstance(split, MemorySplit)
    return split


def result_of(
    setup: Setup,
    split: Split | None = None,
    model: nn.Module | None = None,
    shape: tuple[int, int, int] = SHAPE,
    heartbeat: Callable[[], None] = lambda: None,
) -> Result:
    split = split or setup.dataset.test
    return evaluate(model or setup.model, split, setup.normalize, shape, 10, setup.autocast, heartbeat)


def logits(setup: Setup) -> Tensor:
    setup.model.eval()
    with torch.no_grad():
        output: Tensor = setup.model(setup.normalize(held_out(setup).images))
    setup.model.train()
    return output


def test_metrics_match_scikit_learn(setup: Setup) -> None:
    result, outputs, true = result_of(setup), logits(setup), held_out(setup).labels
    predicted = outputs.argmax(1)
    assert torch.equal(result.predicted, predicted)
    assert result.confusion.tolist() == confusion_matrix(true, predicted, labels=range(10)).tolist()
    assert result.accuracy == accuracy_score(true, predicted)
    assert 0.2 < result.accuracy < 0.98
    assert result.loss == pytest.approx(log_loss(true, outputs.double().softmax(1)), rel=1e-5)


def test_the_probabilities_are_those_of_the_network_rounded(setup: Setup) -> None:
    result, expected = result_of(setup), logits(setup).softmax(1)
    assert result.rounded.shape == (360, 10)
    assert torch.from_numpy(result.rounded).float().allclose(expected, rtol=1e-3, atol=1e-7)
    assert result.rounded.argmax(1).tolist() == result.predicted.tolist()


def test_sums(setup: Setup) -> None:
    result, true = result_of(setup), held_out(setup).labels
    assert int(result.confusion.sum()) == len(true) == 360
    assert result.confusion.sum(1).tolist() == torch.bincount(true, minlength=10).tolist()
    assert int(result.confusion.diagonal().sum()) == round(result.accuracy * 360)
    assert result.confusion.dtype == torch.int64


def test_losses_and_probabilities_per_image(setup: Setup) -> None:
    result, outputs = result_of(setup), logits(setup)
    torch.testing.assert_close(result.losses, F.cross_entropy(outputs, held_out(setup).labels, reduction="none"))
    torch.testing.assert_close(result.probability, outputs.softmax(1).max(1).values)


def test_the_mean_is_over_images_not_over_batches(setup: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = result_of(setup)
    monkeypatch.setattr("tuitrain.training.evaluation.evaluate.CPU_BATCH", 7)
    heartbeats: list[int] = []
    result = evaluate(
        setup.model, setup.dataset.test, setup.normalize, SHAPE, 10, setup.autocast, lambda: heartbeats.append(1)
    )
    assert len(heartbeats) == 52
    assert result.loss == pytest.approx(whole.loss, rel=1e-6)
    assert torch.equal(result.confusion, whole.confusion)


def test_batches_of_large_images_are_small(setup: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = result_of(setup)
    monkeypatch.setattr("tuitrain.training.evaluation.evaluate.MAX_BATCH_VALUES", 8 * 8 * 100)
    heartbeats: list[int] = []
    result = evaluate(
        setup.model, setup.dataset.test, setup.normalize, SHAPE, 10, setup.autocast, lambda: heartbeats.append(1)
    )
    assert len(heartbeats) == 4
    assert torch.equal(result.confusion, whole.confusion)
    evaluate(
        setup.model,
        setup.dataset.test,
        setup.normalize,
        (3, 10_000, 10_000),
        10,
        setup.autocast,
        lambda: heartbeats.append(1),
    )
    assert len(heartbeats) == 4 + 360


def test_the_confusion_matrix_has_classes_without_images(setup: Setup) -> None:
    split = held_out(setup)
    few = split.labels < 3
    result = evaluate(
        setup.model, MemorySplit(split.images[few], split.labels[few]), setup.normalize, SHAPE, 10, setup.autocast
    )
    assert result.confusion.shape == (10, 10)
    assert int(result.confusion[3:].sum()) == 0


@pytest.mark.parametrize("training", [True, False])
def test_the_mode_of_the_model_is_restored(setup: Setup, training: bool) -> None:
    setup.model.train(training)
    before = {name: value.clone() for name, value in setup.model.state_dict().items()}
    state = torch.get_rng_state()
    result_of(setup)
    assert all(module.training == training for module in setup.model.modules())
    assert all(torch.equal(value, before[name]) for name, value in setup.model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)


def test_no_gradients(setup: Setup) -> None:
    result = result_of(setup)
    assert not any(tensor.requires_grad for tensor in (result.losses, result.probability))
    assert all(parameter.grad is None for parameter in setup.model.parameters())
    # Training can continue afterwards.
    images, labels = next(iter(setup.dataset.train.batches(setup.epoch_order(0), 64)))
    torch.autograd.backward(F.cross_entropy(setup.model(setup.normalize(images)), labels))
    assert all(parameter.grad is not None for parameter in setup.model.parameters())


@pytest.mark.parametrize("normalize", [True, False])
def test_the_worst_samples(quick: Quick, setup: Setup, normalize: bool) -> None:
    setup.dataset = prepare(quick(f"data.normalize={normalize}"), lambda *_: None).dataset
    outputs, split = logits(setup), held_out(setup)
    result, predicted = result_of(setup), outputs.argmax(1)
    # Batches of another size round differently, so the order of nearly equal losses follows from the result's own.
    losses = result.losses
    torch.testing.assert_close(losses, F.cross_entropy(outputs, split.labels, reduction="none"))
    wrong = [index for index in range(360) if predicted[index] != split.labels[index]]
    wrong.sort(key=lambda index: -losses[index].item())
    cells = [(int(split.labels[index]), int(predicted[index])) for index in wrong]
    frequent = dict(Counter(cells).most_common(32))
    ranks = [cells[:place].count(cell) for place, cell in enumerate(cells)]
    expected = [
        index for place, index in enumerate(wrong) if place < 48 or (cells[place] in frequent and ranks[place] < 4)
    ]

    samples = worst_samples(result, split, setup.dataset)
    assert [sample.index for sample in samples] == expected
    assert 5 < len(samples) < len(wrong)
    for sample in samples:
        assert sample.true == split.labels[sample.index] != sample.predicted == predicted[sample.index]
        assert sample.probability == pytest.approx(outputs[sample.index].softmax(0).max().item(), abs=1e-4)
        assert sample.true_probability == pytest.approx(outputs[sample.index].softmax(0)[sample.true].item(), abs=1e-4)
        assert (sample.height, sample.width, sample.channels) == (8, 8, 1)
        pixels = (held_out(setup).images[sample.index] / 16 * 255).round().to(torch.uint8)
        assert sample.pixels == pixels.numpy().tobytes()


class Constant(nn.Module):
    """Always predicts class 0, or NaN."""

    def __init__(self, value: float = 1.0) -> None:
        super().__init__()
        self.value = value

    def forward(self, images: Tensor) -> Tensor:
        return torch.tensor([self.value] + [0.0] * 9).expand(len(images), 10)


def test_no_wrong_predictions(setup: Setup) -> None:
    split = held_out(setup)
    zeros = MemorySplit(split.images[split.labels == 0], split.labels[split.labels == 0])
    result = result_of(setup, zeros, Constant())
    assert result.accuracy == 1
    assert worst_samples(result, zeros, setup.dataset) == []


def test_nan_logits(setup: Setup) -> None:
    result = result_of(setup, model=Constant(float("nan")))
    assert result.loss != result.loss
    assert int(result.confusion.sum()) == 360
    samples = worst_samples(result, setup.dataset.test, setup.dataset)
    assert {(sample.probability, sample.loss, sample.true_probability) for sample in samples} == {(0.0, None, None)}


def test_kept_samples_do_not_grow_with_the_classes(setup: Setup) -> None:
    count = 20_000
    split = MemorySplit(torch.zeros(1, *SHAPE).expand(count, -1, -1, -1), torch.arange(count) % 1000)
    predicted = torch.where(split.labels < 500, split.labels // 10, torch.arange(count) * 1031 // 1000 % 1000)
    confusion = torch.bincount(split.labels * 1000 + predicted, minlength=10**6).view(1000, 1000)
    losses = torch.where(split.labels < 500, 1.0, 2.0)
    samples = worst_samples(Result(1, 0, confusion, losses, predicted, losses, NOTHING), split, setup.dataset)
    assert [sample.loss for sample in samples] == [2.0] * 48 + [1.0] * 32 * 4


@pytest.mark.parametrize("size", [(33, 16), (16, 33), (33, 33)])
def test_pictures_are_small_in_both_directions(setup: Setup, size: tuple[int, int]) -> None:
    split = MemorySplit(torch.zeros(1, 1, *size), torch.tensor([5]))
    (sample,) = worst_samples(result_of(setup, split, Constant(), (1, *size)), split, setup.dataset)
    assert (sample.height, sample.width) == (32, 32)


def test_a_batch_has_250_images_but_at_most_four_million_values() -> None:
    for shape, sizes in (((1, 8, 8), [250, 50]), ((3, 224, 224), [27] * 11 + [3])):
        split = MemorySplit(torch.zeros(1).expand(300, *shape), torch.zeros(300, dtype=torch.int64))
        found = [len(labels) for _, labels in split.batches(torch.arange(300), batch_size(split, shape))]
        assert found == sizes


@pytest.mark.parametrize(("channels", "shown"), [(1, 1), (3, 3), (2, 1)])
def test_pictures_of_large_images_are_small(quick: Quick, channels: int, shown: int) -> None:
    setup = prepare(quick("data.normalize=false"), lambda *_: None)
    digit = held_out(setup).images[:1]
    large = F.interpolate(digit, size=(128, 64), mode="nearest").expand(-1, channels, -1, -1)
    split = MemorySplit(large, torch.tensor([5]))
    (sample,) = worst_samples(result_of(setup, split, Constant()), split, setup.dataset)
    assert (sample.height, sample.width, sample.channels) == (32, 32, shown)
    assert len(sample.pixels) == 32 * 32 * shown
    # Each pixel of the digit covers four by four.
    first = torch.frombuffer(bytearray(sample.pixels), dtype=torch.uint8).view(32, 32, shown)[::4, ::4, 0]
    assert torch.equal(first, (digit[0, 0] / 16 * 255).round().to(torch.uint8))


def test_pictures_of_small_images_keep_their_size(quick: Quick) -> None:
    setup = prepare(quick("data.normalize=false"), lambda *_: None)
    images = torch.arange(2 * 3 * 2).view(2, 1, 3, 2) / 255
    images[1] = torch.tensor([[-1.0, 0.0], [0.2, 1.0], [1.5, 9.0]])
    split = MemorySplit(images, torch.tensor([5, 6]))
    first, second = worst_samples(result_of(setup, split, Constant(), (1, 3, 2)), split, setup.dataset)
    assert (first.index, first.height, first.width, first.channels, first.pixels) == (0, 3, 2, 1, bytes(range(6)))
    assert second.pixels == bytes([0, 0, 51, 255, 255, 255])
    # The loss of a wrong class is ln(e + 9), the probability e / (e + 9).
    assert (second.index, second.true, second.loss, second.probability) == (1, 6, 2.4612, 0.232)


def test_no_images_have_no_loss(setup: Setup) -> None:
    split = held_out(setup)
    result = evaluate(
        setup.model, MemorySplit(split.images[:0], split.labels[:0]), setup.normalize, SHAPE, 10, setup.autocast
    )
    assert (result.loss != result.loss, result.accuracy, int(result.confusion.sum())) == (True, 0.0, 0)


@pytest.mark.parametrize("storage", ["memory", "stream"])
def test_wrong_predictions_name_their_files(tmp_path: Path, storage: str) -> None:
    folder = classes_of(tmp_path / "images", {"ant": 12, "bee": 12})
    (folder / "ant" / "000.png").write_bytes(b"unreadable")
    data = read(folder, storage=storage)
    result = evaluate(
        nn.Sequential(nn.Flatten(), nn.LazyLinear(2)),
        data.test,
        Normalizer(data.normalization, CPU),
        data.shape,
        2,
        nullcontext,
    )
    samples = worst_samples(result, data.test, data)
    assert samples
    names = image_names(data.test, data)
    assert len(names) == len(data.test)
    for sample in samples:
        assert sample.file == names[sample.index]
        assert sample.file.startswith(f"{data.classes[sample.true]}/")
        [pixels] = ImageReader(8, "RGB")(str(folder / sample.file)).unsqueeze(0)
        shown = torch.frombuffer(bytearray(sample.pixels), dtype=torch.uint8).view(8, 8, 3).permute(2, 0, 1)
        assert (pixels.int() - shown.int()).abs().max() <= 1


def test_built_in_data_has_no_files(setup: Setup) -> None:
    samples = worst_samples(result_of(setup), setup.dataset.test, setup.dataset)
    assert {sample.file for sample in samples} == {""}
