"""The training loop matches a textbook loop, which shares only the order of the images with it."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.lr_scheduler import ReduceLROnPlateau

from tuitrain.config.schema import Config
from tuitrain.runs.follower import Follower
from tuitrain.training import checkpoint
from tuitrain.training import loop as loop_module
from tuitrain.training.data.splits import MemorySplit
from tuitrain.training.setup import Setup, prepare

Quick = Callable[..., Config]
Train = Callable[..., Follower]
# Steps per epoch: the 1,437 training digits minus a tenth for validation, in batches of 64.
STEPS = 21


def prepared(config: Config) -> Setup:
    return prepare(config, lambda *_: None)


def tensors(split: object) -> tuple[Tensor, Tensor]:
    assert isinstance(split, MemorySplit)
    return split.images, split.labels


@dataclass
class Textbook:
    """The values of the textbook loop, one entry per step; `weights` are those at the end."""

    losses: list[float] = field(default_factory=list)
    correct: list[int] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    norms: list[float] = field(default_factory=list)
    weights: list[Tensor] = field(default_factory=list)

    def row(self, start: int, end: int) -> tuple[float, float]:
        """Return the mean loss and accuracy of the steps `start` to `end` - 1."""
        sizes = self.sizes[start:end]
        losses = self.losses[start:end]
        total = sum(loss * size for loss, size in zip(losses, sizes, strict=True))
        return total / sum(sizes), sum(self.correct[start:end]) / sum(sizes)


def network(seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Flatten(), nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 256), nn.ReLU(), nn.Linear(256, 10)
    )


def textbook(
    config: Config,
    optimizer: Callable[[list[nn.Parameter]], torch.optim.Optimizer],
    *,
    clip: float = 0.0,
    smoothing: float = 0.0,
    group: int = 1,
) -> Textbook:
    """Train with `group` mini-batches per step."""
    setup = prepared(config)
    images, labels = tensors(setup.dataset.train)
    model = network(config.training.seed)
    parameters = list(model.parameters())
    update, result = optimizer(parameters), Textbook()
    for epoch in range(config.training.epochs):
        batches = torch.split(setup.epoch_order(epoch), config.data.batch_size)
        for start in range(0, len(batches), group):
            loss_sum, right, size = 0.0, 0, 0
            group_batches = batches[start : start + group]
            update.zero_grad()
            for rows in group_batches:
                logits = model(images[rows])
                loss = F.cross_entropy(logits, labels[rows], label_smoothing=smoothing)
                torch.autograd.backward(loss / len(group_batches))
                loss_sum += loss.item() * len(rows)
                right += int((logits.argmax(1) == labels[rows]).sum())
                size += len(rows)
            norm = torch.cat([p.grad.flatten() for p in parameters if p.grad is not None]).norm().item()
            if clip:
                torch.nn.utils.clip_grad_norm_(parameters, clip)
            update.step()
            for value, column in ((loss_sum / size, result.losses), (norm, result.norms)):
                column.append(value)
            result.correct.append(right)
            result.sizes.append(size)
    result.weights = [parameter.detach() for parameter in parameters]
    return result


def saved_weights(run: Follower, which: str = "last") -> list[Tensor]:
    state = checkpoint.load(run.folder.checkpoints / f"{which}.safetensors")
    return list(state["model"].values())


def same(left: list[Tensor], right: list[Tensor]) -> bool:
    return len(left) == len(right) and all(torch.equal(a, b) for a, b in zip(left, right, strict=True))


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


def test_state_of_a_finished_run(train: Train) -> None:
    state = train("training.epochs=2").state
    assert (state.status, state.reason, state.phase) == ("finished", "", "")
    assert (state.epoch, state.epochs, state.step, state.steps, state.steps_per_epoch) == (2, 2, 42, 42, STEPS)
    assert state.samples_per_second == pytest.approx(2 * 1293 / state.seconds)
    assert state.started is not None
    assert state.ended is not None
    assert state.started < state.ended
    assert None not in (state.train, state.validation, state.test, state.best, state.memory)


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
    setup = prepared(quick(*settings))
    setup.model.load_state_dict(checkpoint.load(run.folder.checkpoints / "last.safetensors")["model"])
    setup.model.eval()
    for name, split in (("validation", setup.dataset.validation), ("test", setup.dataset.test)):
        images, labels = tensors(split)
        with torch.no_grad():
            plain = F.cross_entropy(setup.model(images), labels).item()
        assert run.evaluations[name]["loss"][-1] == pytest.approx(plain, rel=1e-5)


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


def test_rows_have_the_learning_rate_of_their_step(train: Train) -> None:
    run = train("optimizer.lr=0.01", "schedule.name=cosine", "schedule.final=0", "training.epochs=2",
                "training.log_every=1")  # fmt: skip
    last = 2 * STEPS - 1
    assert run.train["lr"].tolist() == pytest.approx(
        [0.01 * (1 + math.cos(math.pi * step / last)) / 2 for step in range(2 * STEPS)], abs=1e-12
    )


def test_a_vanishing_learning_rate_changes_no_weight(train: Train) -> None:
    settings = (*SGD, "training.epochs=2", "schedule.name=step", "schedule.every=1", "schedule.gamma=1e-30")
    run, one_epoch = train(*settings), train(*settings, "training.epochs=1")
    assert run.train["lr"].tolist() == pytest.approx([0.1, 1e-31])
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


OVERFITS = ("optimizer.lr=0.02", "model.hidden=[256]", "data.validation=0.3")


def test_early_stopping(train: Train) -> None:
    run = train(*OVERFITS, "training.patience=2", "training.epochs=60")
    losses = run.evaluations["validation"]["loss"].tolist()
    best = losses.index(min(losses)) + 1
    assert run.state.status == "finished"
    assert "Stopped early: no better validation loss for 2 epochs." in run.state.reason
    assert run.state.epoch == len(losses) == best + 2 < 60
    assert run.state.test is not None


def test_patience_that_runs_out_in_the_last_epoch_is_no_early_stop(train: Train) -> None:
    epochs = train(*OVERFITS, "training.patience=2", "training.epochs=60").state.epoch
    run = train(*OVERFITS, "training.patience=2", f"training.epochs={epochs}")
    assert (run.state.status, run.state.reason, run.state.epoch) == ("finished", "", epochs)


def test_time_budget(train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop_module, "POLL_INTERVAL", 0.0)
    run = train("training.max_minutes=1e-9", "training.epochs=50")
    assert run.state.status == "finished"
    assert "time budget" in run.state.reason
    assert (run.state.epoch, run.state.step) == (0, 1)
    assert run.state.samples_per_second > 0
    # The weights so far are evaluated.
    assert run.evaluations["validation"].step.tolist() == run.evaluations["test"].step.tolist() == [1]
    assert run.state.best is not None
    assert run.state.best.epoch == 1


def test_evaluating_the_test_split_changes_nothing(train: Train) -> None:
    settings = ("training.epochs=3", "model.dropout=0.3", "data.augment=[shift]", "training.log_every=1")
    once, every_epoch = train(*settings), train(*settings, "evaluation.test_every=1")
    assert once.evaluations["test"]["epoch"].tolist() == [3]
    assert every_epoch.evaluations["test"]["epoch"].tolist() == [1, 2, 3]
    assert same(saved_weights(once), saved_weights(every_epoch))
    assert once.train["loss"] == every_epoch.train["loss"]
    assert once.state.test == every_epoch.state.test


def test_epochs_with_a_test_evaluation(train: Train) -> None:
    run = train("training.epochs=5", "evaluation.test_every=2")
    assert run.evaluations["test"]["epoch"].tolist() == [2, 4, 5]
    assert run.evaluations["validation"]["epoch"].tolist() == [1, 2, 3, 4, 5]


def test_without_a_validation_split(train: Train) -> None:
    run = train("data.validation=0", "training.epochs=2")
    assert run.state.best is None
    assert run.state.validation is None
    assert not len(run.evaluations["validation"])
    assert run.state.test is not None
    assert [path.name for path in run.folder.checkpoints.iterdir()] == ["last.safetensors"]
    assert run.state.samples_per_second * run.state.seconds == pytest.approx(2 * 1437)


def test_best_epoch_has_the_lowest_validation_loss(quick: Quick, train: Train) -> None:
    settings = (*OVERFITS, "training.epochs=12")
    run = train(*settings)
    losses, best = run.evaluations["validation"]["loss"].tolist(), run.state.best
    assert best is not None
    assert best.epoch == losses.index(min(losses)) + 1 < 12
    assert best.validation.loss == min(losses)
    lowest = math.inf
    for loss, mark in zip(losses, run.evaluations["validation"]["best"], strict=True):
        assert mark == (loss < lowest)
        lowest = min(lowest, loss)
    setup = prepared(quick(*settings))
    setup.model.load_state_dict(checkpoint.load(run.folder.checkpoints / "best.safetensors")["model"])
    setup.model.eval()
    assert best.test is not None
    assert best.test != run.state.test
    for split, score in ((setup.dataset.validation, best.validation), (setup.dataset.test, best.test)):
        images, labels = tensors(split)
        with torch.no_grad():
            logits = setup.model(images)
        assert score.loss == pytest.approx(F.cross_entropy(logits, labels).item(), rel=1e-5)
        assert score.accuracy == (logits.argmax(1) == labels).double().mean().item()
    evaluation = run.folder.evaluation("test", "best")
    assert evaluation is not None
    assert (evaluation.epoch, evaluation.step, evaluation.accuracy) == (best.epoch, best.step, best.test.accuracy)


@pytest.mark.parametrize("log_every", [1, 4, 100])
def test_a_loss_that_is_not_finite_fails_and_names_its_step(quick: Quick, train: Train, log_every: int) -> None:
    def diverging(parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
        return torch.optim.SGD(parameters, lr=1e6, fused=True)

    settings = ("optimizer.name=sgd", "optimizer.lr=1e6", "training.epochs=3")
    losses = textbook(quick(*settings), diverging).losses
    step = next(step for step, loss in enumerate(losses, 1) if not math.isfinite(loss))
    assert 1 < step <= STEPS
    run = train(*settings, f"training.log_every={log_every}")
    assert run.state.status == "failed"
    assert f"at step {step} (epoch 1)" in run.state.reason
    assert "learning rate below 1e+06" in run.state.reason
    assert run.events[-1].name == "failed"
    assert all(bool(weight.isfinite().all()) for weight in saved_weights(run))
    assert not any("Traceback" in line for line in run.log)


def test_infinite_weights_fail_although_the_loss_is_finite(train: Train) -> None:
    run = train("optimizer.name=sgd", "optimizer.lr=1e40", "data.batch_size=5000", "training.epochs=3")
    assert run.state.status == "failed"
    assert "weights became NaN or infinite by step 1" in run.state.reason
    assert math.isfinite(run.train["loss"][0])
    assert same(saved_weights(run), [weight.detach() for weight in network(0).parameters()])
    # The evaluation of the broken model is readable and has no loss.
    evaluation = run.folder.evaluation("validation")
    assert evaluation is not None
    assert evaluation.loss is None
    assert math.isnan(run.evaluations["validation"]["loss"][0])
    assert run.state.best is None


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param(("model.batch_norm=true", "data.batch_size=68"), id="a last batch of one image"),
        pytest.param(("data.batch_size=100000",), id="a batch larger than the data"),
        pytest.param(("model.hidden=[]",), id="no hidden layer"),
        pytest.param(("training.precision=bf16",), id="bf16"),
        pytest.param(("training.deterministic=true", "model.name=cnn"), id="deterministic"),
        pytest.param(("data.batch_size=1", "training.log_every=700", "optimizer.lr=0.0003"), id="one image per batch"),
        pytest.param(("model.name=cnn", "model.batch_norm=true", "data.batch_size=68"), id="cnn with one image left"),
    ],
)
def test_edge_cases_train(train: Train, settings: tuple[str, ...]) -> None:
    run = train("training.epochs=3", "optimizer.lr=0.003", *settings)
    assert (run.state.status, run.state.epoch) == ("finished", 3)
    losses = run.evaluations["validation"]["loss"]
    assert losses[-1] < losses[0]
    assert run.train.step[-1] == run.state.step == run.state.steps


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
    images, labels = tensors(setup.dataset.train)
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


def test_the_log_has_a_line_per_epoch(train: Train, tmp_path: Path) -> None:
    run = train("training.epochs=2")
    lines = [line for line in run.log if "epoch" in line]
    assert len(lines) == 2
    assert "train" in lines[0]
    assert "validation" in lines[0]
    assert "best so far" in lines[0]
    assert run.folder.path.parent == tmp_path / "runs"
