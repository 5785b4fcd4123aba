"""The training loop matches a textbook loop, which shares only the order of the images with it."""

import math
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.optim.lr_scheduler import ReduceLROnPlateau

from training.loop.reference_loop import STEPS, Quick, Train, network, prepared, same, saved_weights, tensors, textbook
from tuitrain.training import checkpoint


def sgd(parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
    return torch.optim.SGD(parameters, lr=0.1, momentum=0.9, fused=True)


def adam(parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
    return torch.optim.Adam(parameters, lr=0.001, fused=True)


SGD = ("optimizer.name=sgd", "optimizer.lr=0.1", "optimizer.momentum=0.9")


@pytest.mark.parametrize(("settings", "optimizer"), [(SGD, sgd), ((), adam)], ids=["sgd", "adam"])
@pytest.mark.parametrize("seed", [0, 7])
def test_bit_identical_to_the_textbook_loop(
    quick: Quick, train: Train, settings: tuple[str, ...], optimizer: Callable[..., torch.optim.Optimizer], seed: int
) -> None:
    settings = (*settings, "training.epochs=3", "training.log_every=1", f"training.seed={seed}")
    expected, run = textbook(quick(*settings), optimizer), train(*settings)
    assert run.train.step.tolist() == list(range(1, 3 * STEPS + 1))
    assert run.train["loss"].tolist() == expected.losses
    accuracies = [right / size for right, size in zip(expected.correct, expected.sizes, strict=True)]
    assert run.train["accuracy"].tolist() == accuracies
    # Rows have four digits.
    assert run.train["grad_norm"].tolist() == pytest.approx(expected.norms, rel=1e-3)
    assert same(saved_weights(run), expected.weights)
    assert accuracies[-1] > 0.9


@pytest.mark.parametrize("name", ["sgd", "adam"])
def test_close_to_the_textbook_loop_without_fused_kernels(quick: Quick, train: Train, name: str) -> None:
    def plain(parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
        if name == "sgd":
            return torch.optim.SGD(parameters, lr=0.1, momentum=0.9)
        return torch.optim.Adam(parameters, lr=0.001)

    settings = (*(SGD if name == "sgd" else ()), "training.epochs=2", "training.log_every=1")
    expected, run = textbook(quick(*settings), plain), train(*settings)
    assert run.train["loss"].tolist() == pytest.approx(expected.losses, rel=1e-3)


def test_rows_are_means_since_the_previous_row(quick: Quick, train: Train) -> None:
    settings = ("training.epochs=2", "training.log_every=10")
    expected, run = textbook(quick(*settings), adam), train(*settings)
    ends = [10, 20, STEPS, 30, 40, 2 * STEPS]
    assert run.train.step.tolist() == ends
    assert run.train["epoch"].tolist() == [1, 1, 1, 2, 2, 2]
    rows = [expected.row(start, end) for start, end in zip([0, *ends], ends, strict=False)]
    assert run.train["loss"].tolist() == pytest.approx([loss for loss, _ in rows], rel=1e-12)
    assert run.train["accuracy"].tolist() == [accuracy for _, accuracy in rows]
    # The state has the mean of the whole last epoch.
    assert run.state.train is not None
    loss, accuracy = expected.row(STEPS, 2 * STEPS)
    assert run.state.train.loss == pytest.approx(loss, rel=1e-12)
    assert run.state.train.accuracy == accuracy


def test_every_epoch_ends_with_a_row(train: Train) -> None:
    run = train("training.epochs=2", "training.log_every=1000000000000")
    assert run.train.step.tolist() == [STEPS, 2 * STEPS]


def test_two_accumulated_halves_match_the_whole_batch(train: Train) -> None:
    settings = (*SGD, "training.epochs=2", "training.log_every=1")
    whole = train(*settings, "data.batch_size=64")
    halves = train(*settings, "data.batch_size=32", "optimizer.accumulate=2")
    assert halves.train.step == whole.train.step
    assert halves.train["loss"].tolist() == pytest.approx(whole.train["loss"].tolist(), rel=1e-3)
    for left, right in zip(saved_weights(halves), saved_weights(whole), strict=True):
        torch.testing.assert_close(left, right, rtol=1e-3, atol=1e-4)


def test_accumulation_with_a_remainder(quick: Quick, train: Train) -> None:
    """Of 41 batches in groups of 3, the last two form a step and are averaged over two."""
    settings = ("data.batch_size=32", "training.epochs=2", "training.log_every=1", "optimizer.accumulate=3")
    expected, run = textbook(quick(*settings), adam, group=3), train(*settings)
    assert len(run.train) == 28
    assert run.train["loss"].tolist() == pytest.approx(expected.losses, rel=1e-12)
    assert same(saved_weights(run), expected.weights)


def test_label_smoothing_applies_to_the_training_loss_alone(quick: Quick, train: Train) -> None:
    settings = ("training.label_smoothing=0.2", "training.epochs=2", "training.log_every=1")
    expected, run = textbook(quick(*settings), adam, smoothing=0.2), train(*settings)
    assert run.train["loss"].tolist() == expected.losses
    assert any("label smoothing 0.2 raises the training loss" in line for line in run.log)
    setup = prepared(quick(*settings))
    setup.model.load_state_dict(checkpoint.load(run.folder.checkpoints / "last.safetensors")["model"])
    setup.model.eval()
    for name, split in (("validation", setup.dataset.validation), ("test", setup.dataset.test)):
        images, labels = tensors(setup, split)
        with torch.no_grad():
            plain = F.cross_entropy(setup.model(images), labels).item()
        assert run.evaluations[name]["loss"][-1] == pytest.approx(plain, rel=1e-5)


@pytest.mark.parametrize("sampler", ["shuffle", "balanced"])
def test_class_weights_apply_to_the_training_loss_alone(quick: Quick, train: Train, sampler: str) -> None:
    settings = (
        "training.class_weights=balanced",
        f"data.sampler={sampler}",
        "training.epochs=2",
        "training.log_every=1",
    )
    setup = prepared(quick(*settings))
    labels = setup.dataset.train.labels
    weight = len(labels) / (10 * labels.bincount().float())
    expected, run = textbook(quick(*settings), adam, weight=weight), train(*settings)
    assert run.train["loss"].tolist() == expected.losses
    assert same(saved_weights(run), expected.weights)
    span = f"{weight.min().item():.3g} to {weight.max().item():.3g}"
    assert any(f"class weights {span} change the training loss" in line for line in run.log)
    assert any("the balanced sampler draws" in line for line in run.log) == (sampler == "balanced")
    setup.model.load_state_dict(checkpoint.load(run.folder.checkpoints / "last.safetensors")["model"])
    setup.model.eval()
    images, labels = tensors(setup, setup.dataset.test)
    with torch.no_grad():
        plain = F.cross_entropy(setup.model(images), labels).item()
    assert run.evaluations["test"]["loss"][-1] == pytest.approx(plain, rel=1e-5)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_class_weights_with_autograd(train: Train, precision: str) -> None:
    run = train("model.name=cnn", "model.channels=[4]", f"training.precision={precision}", "training.epochs=1",
                "training.class_weights=balanced", "training.label_smoothing=0.1", "data.validation=0")  # fmt: skip
    assert run.status == "finished"
    assert run.train["loss"][-1] < run.train["loss"][0]


def test_gradient_clipping(quick: Quick, train: Train) -> None:
    settings = (*SGD, "optimizer.clip_norm=0.5", "training.epochs=2", "training.log_every=1")
    expected, run = textbook(quick(*settings), sgd, clip=0.5), train(*settings)
    assert max(expected.norms) > 0.5
    assert run.train["loss"].tolist() == expected.losses
    assert same(saved_weights(run), expected.weights)
    # Rows have the norm before clipping.
    assert max(run.train["grad_norm"]) > 0.5


def test_length_of_a_clipped_step(train: Train) -> None:
    """A step of SGD with learning rate 1 moves the weights by the gradient."""
    run = train("optimizer.name=sgd", "optimizer.lr=1", "optimizer.clip_norm=0.01", "data.batch_size=5000",
                "training.epochs=1")  # fmt: skip
    moved = [after - before for after, before in zip(saved_weights(run), network(0).parameters(), strict=True)]
    assert torch.cat([change.flatten() for change in moved]).norm().item() == pytest.approx(0.01, rel=1e-2)
    assert run.train["grad_norm"][0] > 0.01


@pytest.mark.parametrize(
    ("batch", "steps"),
    [
        (64, [1, *range(4, 17, 4), 21]),
        (16, [1, *range(4, 77, 4), 81]),
        (1, [1, 20, *range(64, 1217, 64), 1293]),
    ],
)
def test_the_steps_with_a_row_by_default(train: Train, batch: int, steps: list[int]) -> None:
    run = train(f"data.batch_size={batch}", "training.epochs=1")
    assert run.train.step.tolist() == sorted({*steps, 5})


def test_rows_have_the_learning_rate_of_their_step(train: Train) -> None:
    run = train("optimizer.lr=0.01", "schedule.name=cosine", "schedule.final=0", "training.epochs=2",
                "training.log_every=1")  # fmt: skip
    last = 2 * STEPS - 1
    assert run.train["lr"].tolist() == pytest.approx(
        [0.01 * (1 + math.cos(math.pi * step / last)) / 2 for step in range(2 * STEPS)], abs=1e-12
    )


def test_a_vanishing_learning_rate_changes_no_weight(train: Train) -> None:
    settings = (*SGD, "training.epochs=2", "schedule.name=step", "schedule.every=1", "schedule.gamma=1e-30",
                "training.log_every=1")  # fmt: skip
    run, one_epoch = train(*settings), train(*settings, "training.epochs=1")
    assert run.train["lr"].tolist() == pytest.approx([0.1] * STEPS + [1e-31] * STEPS)
    assert same(saved_weights(run), saved_weights(one_epoch))


def test_plateau_schedule_matches_torch(train: Train) -> None:
    run = train("optimizer.name=sgd", "optimizer.lr=0.5", "optimizer.momentum=0.9", "schedule.name=plateau",
                "schedule.patience=1", "schedule.gamma=0.5", "training.epochs=14",
                "training.log_every=1000")  # fmt: skip
    weight = nn.Parameter(torch.zeros(1))
    group = torch.optim.SGD([weight], lr=0.5)
    scheduler = ReduceLROnPlateau(group, factor=0.5, patience=1, threshold=0, eps=0)
    rates = []
    for loss in run.evaluations["validation"]["loss"]:
        rates.append(group.param_groups[0]["lr"])
        scheduler.step(loss)
    assert run.train["lr"].tolist() == rates
    drops = [event for event in run.events if event.name == "drop"]
    assert len(drops) >= 2
    assert [event.value for event in drops] == [0.5**power for power in range(2, len(drops) + 2)]


def test_batch_norm_omits_a_last_batch_of_one_image(train: Train) -> None:
    """1,293 images are 19 batches of 68 and one image."""
    run = train("training.epochs=1", "model.batch_norm=true", "data.batch_size=68")
    assert run.state.steps_per_epoch == 19
    assert train("training.epochs=1", "data.batch_size=68").state.steps_per_epoch == 20


def test_bf16_is_used(train: Train) -> None:
    settings = ("training.epochs=2", "training.log_every=1")
    half, full = train(*settings, "training.precision=bf16"), train(*settings)
    assert half.train["loss"] != full.train["loss"]
    assert half.train["loss"].tolist() == pytest.approx(full.train["loss"].tolist(), rel=0.1, abs=0.05)
    assert all(weight.dtype == torch.float32 for weight in saved_weights(half))


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param(("model.dropout=0.3", "data.augment=[shift]"), id="mlp"),
        pytest.param(("model.name=cnn", "model.dropout=0.3", "data.augment=[flip, crop]"), id="cnn"),
    ],
)
def test_equal_seeds_give_equal_runs(train: Train, settings: tuple[str, ...]) -> None:
    settings = ("training.epochs=2", "training.log_every=1", *settings)
    first = train(*settings, "training.seed=3")
    # Earlier draws must not matter.
    torch.rand(17)
    again, other = train(*settings, "training.seed=3"), train(*settings, "training.seed=4")
    assert first.train["loss"] == again.train["loss"]
    assert same(saved_weights(first), saved_weights(again))
    assert first.state.test == again.state.test
    assert first.train["loss"] != other.train["loss"]


def test_channels_last_matches_contiguous_weights(quick: Quick, train: Train) -> None:
    """Fused kernels depend on the memory layout of weights and state."""
    settings = ("model.name=cnn", "training.epochs=2", "training.log_every=1")
    run, setup = train(*settings), prepared(quick(*settings))
    images, labels = tensors(setup, setup.dataset.train)
    model = setup.model.to(memory_format=torch.contiguous_format)
    update = torch.optim.Adam(model.parameters(), lr=0.001, fused=False, foreach=False)
    losses = []
    for epoch in range(2):
        for rows in torch.split(setup.epoch_order(epoch), 64):
            loss = F.cross_entropy(model(images[rows]), labels[rows])
            update.zero_grad()
            torch.autograd.backward(loss)
            update.step()
            losses.append(loss.item())
    assert run.train["loss"].tolist() == pytest.approx(losses, rel=0.02, abs=0.01)


def test_what_the_run_uses_is_recorded(train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tuitrain.training.loop.POLL_INTERVAL", 0)
    monkeypatch.setattr("tuitrain.training.resources.FIRST_PAUSE", 0.0)
    run = train("training.epochs=2")
    rows = run.resources
    assert len(rows) > STEPS
    assert all(0 <= share < 1 for share in rows["wait"])
    assert any(share > 0 for share in rows["wait"])
    assert all(memory > 10e6 for memory in rows["memory"])
    assert all(math.isnan(share) for share in rows["gpu_use"])
