"""Fine-tuning: frozen parts, learning rates of layers, averaged weights, and exact resuming."""

import shutil
from collections.abc import Callable
from math import isnan
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from tuitrain.config.schema import Config
from tuitrain.config.values import override
from tuitrain.errors import ConfigError
from tuitrain.hosts.evaluate import evaluate_checkpoint
from tuitrain.hosts.export import export
from tuitrain.hosts.launch import resume_run
from tuitrain.runs.control import Inbox
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.follower import Follower
from tuitrain.training import checkpoint
from tuitrain.training.average import WeightAverage
from tuitrain.training.fine_tuning.freeze import freeze_backbone, set_training_mode
from tuitrain.training.optim.build import build_optimizer
from tuitrain.training.optim.fused import FusedStep
from tuitrain.training.optim.groups import layer_scales, parameter_groups

pytestmark = pytest.mark.usefixtures("one_thread")


class Tiny(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU())
        self.blocks = nn.ModuleList([nn.Conv2d(4, 4, 3), nn.Conv2d(4, 4, 3)])
        self.drop = nn.Dropout(0.5)
        self.head = nn.Linear(4, 3)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        features = self.stem(images)
        for block in self.blocks:
            features = block(features)
        logits: torch.Tensor = self.head(self.drop(features.mean((2, 3))))
        return logits


def config(*assignments: str) -> Config:
    return override(Config(), assignments)


def test_one_group_holds_all_parameters_by_default() -> None:
    model = Tiny()
    (group,) = parameter_groups(config("optimizer.weight_decay=0.1"), model)
    assert list(map(id, group["params"])) == list(map(id, model.parameters()))
    assert (group["lr_scale"], group["weight_decay"]) == (1.0, 0.1)


def test_each_layer_below_another_has_a_lower_learning_rate() -> None:
    scales = layer_scales(Tiny(), 0.5)
    assert scales["head.weight"] == 1
    assert scales["blocks.1.weight"] == 0.5
    assert scales["blocks.0.bias"] == 0.25
    assert scales["stem.1.weight"] == 0.125
    assert scales["stem.0.weight"] == 0.0625


def test_head_factor_and_exempt_norms_make_groups_of_their_own() -> None:
    model = Tiny()
    settings = config("finetune.head_lr=10", "optimizer.decay_norms=false", "optimizer.weight_decay=0.1")
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    groups = {
        (group["lr_scale"], group["weight_decay"]): [names[id(parameter)] for parameter in group["params"]]
        for group in parameter_groups(settings, model)
    }
    assert groups[10.0, 0.1] == ["head.weight"]
    assert groups[10.0, 0.0] == ["head.bias"]
    assert groups[1.0, 0.1] == ["stem.0.weight", "blocks.0.weight", "blocks.1.weight"]
    assert groups[1.0, 0.0] == ["stem.0.bias", "stem.1.weight", "stem.1.bias", "blocks.0.bias", "blocks.1.bias"]


@pytest.mark.parametrize("name", ["adam", "adamw", "sgd"])
def test_the_direct_step_of_several_groups_equals_that_of_torch(name: str) -> None:
    settings = config(
        f"optimizer.name={name}", "finetune.layer_decay=0.5", "finetune.head_lr=3", "optimizer.decay_norms=false",
        "optimizer.weight_decay=0.1",
    )  # fmt: skip
    results = []
    for direct in (False, True):
        torch.manual_seed(0)
        model = Tiny()
        optimizer = build_optimizer(settings.optimizer, model, parameter_groups(settings, model))
        step = FusedStep(optimizer) if direct else optimizer.step
        for number in range(3):
            for group in optimizer.param_groups:
                group["lr"] = 0.1 * group["lr_scale"] / (number + 1)
            model(torch.ones(2, 1, 12, 12)).square().sum().backward()
            step()
            optimizer.zero_grad()
        results.append([parameter.detach().clone() for parameter in model.parameters()])
    assert all(map(torch.equal, *results))


def test_a_frozen_backbone_keeps_its_weights_and_statistics_while_dropout_of_the_head_acts() -> None:
    model = Tiny()
    freeze_backbone(model)
    set_training_mode(model, config("finetune.freeze=backbone"), frozen=True)
    assert [name for name, parameter in model.named_parameters() if parameter.requires_grad] == [
        "head.weight", "head.bias",
    ]  # fmt: skip
    assert not model.stem[1].training
    assert model.head.training


def test_only_the_statistics_of_pretrained_norms_are_frozen_when_everything_trains() -> None:
    model, pretrained = Tiny(), ("model.name=resnet18", "model.weights=w.pt")
    set_training_mode(model, config(*pretrained), frozen=False)
    assert not model.stem[1].training
    assert model.drop.training
    set_training_mode(model, config(*pretrained, "finetune.freeze_norms=false"), frozen=False)
    assert model.stem[1].training
    set_training_mode(model, config(), frozen=False)
    assert model.stem[1].training


def test_the_average_follows_weights_and_statistics_with_a_growing_memory() -> None:
    model = Tiny()
    average = WeightAverage(model, 0.9)
    mean = model.state_dict()["stem.1.running_mean"]
    expected = mean.clone()
    for updates in range(40):
        mean += 1
        average.update(updates)
        decay = min(0.9, (1 + updates) / (10 + updates))
        expected = decay * expected + (1 - decay) * mean
    assert torch.allclose(average.state_dict()["stem.1.running_mean"], expected)
    own = mean.clone()
    with average.applied():
        assert torch.allclose(mean, expected)
    assert torch.equal(mean, own)


def test_only_the_classifier_changes_while_the_backbone_is_frozen(train: Callable[..., Follower]) -> None:
    run = train("finetune.freeze_epochs=1", "training.epochs=1", "training.log_every=1", "optimizer.name=sgd")
    hidden, head = run.layers[0], run.layers[-1]
    assert all(map(isnan, hidden))
    assert not any(map(isnan, head))
    first = checkpoint.load(run.folder.checkpoints / "last.safetensors")["model"]
    resume_run(run.folder, lambda *_: None, Inbox(run.folder), epochs=2)
    second = checkpoint.load(run.folder.checkpoints / "last.safetensors")["model"]
    assert not torch.equal(first["layers.0.weight"], second["layers.0.weight"])
    resumed = Follower(run.folder)
    while resumed.poll():
        pass
    assert not isnan(resumed.layers[0][-1])


def test_evaluation_and_export_use_the_average(train: Callable[..., Follower], tmp_path: Path) -> None:
    run = train("training.ema=0.99", "training.epochs=2", "optimizer.lr=0.01", "data.validation=0.2")
    saved = checkpoint.load(run.folder.checkpoints / "last.safetensors")
    assert not torch.equal(saved["model"]["head.weight"], saved["trained"]["head.weight"])
    final = run.folder.evaluation("test")
    again = evaluate_checkpoint(run.folder, "test", "last", "cpu", lambda *_: None)
    assert final is not None
    assert (final.loss, final.predicted) == (again.loss, again.predicted)
    export(run.folder, "safetensors", tmp_path / "w.safetensors")
    assert torch.equal(load_file(tmp_path / "w.safetensors")["head.weight"], saved["model"]["head.weight"])


@pytest.mark.parametrize("network", ["cnn", "mlp"])
def test_the_statistics_of_loaded_norms_stay_in_every_network(train: Callable[..., Follower], network: str) -> None:
    settings = (f"model.name={network}", "model.batch_norm=true", "training.epochs=1", "data.validation=0.2")
    first = train(*settings)
    second = train(*settings, f"model.weights=run:{first.folder.id}")
    best, last = (
        checkpoint.load(run.folder.checkpoints / file)["model"]
        for run, file in ((first, "best.safetensors"), (second, "last.safetensors"))
    )
    means = [name for name in best if name.endswith("running_mean")]
    assert means
    assert all(torch.equal(best[name], last[name]) for name in means)


def test_training_begins_with_the_best_weights_of_another_run(train: Callable[..., Follower]) -> None:
    first = train("training.epochs=3", "data.validation=0.2", "model.hidden=[16]")
    second = train(
        f"model.weights=run:{first.folder.id}", "model.hidden=[16]", "optimizer.lr=1e-12", "training.epochs=1"
    )
    best = checkpoint.load(first.folder.checkpoints / "best.safetensors")["model"]
    trained = checkpoint.load(second.folder.checkpoints / "last.safetensors")["model"]
    assert torch.allclose(best["head.weight"], trained["head.weight"], atol=1e-6)
    weights = second.folder.info().weights
    assert weights is not None
    assert (weights.file, weights.loaded, weights.created) == ("best.safetensors", 4, 0)
    # The file is not needed any more.
    shutil.rmtree(first.folder.path)
    assert resume_run(second.folder, lambda *_: None, Inbox(second.folder), epochs=2).status == "finished"


PROBE = (
    "model.name=cnn", "model.channels=[4, 8]", "model.batch_norm=true", "model.dropout=0.3", "finetune.freeze=backbone",
    "training.epochs=3", "optimizer.lr=0.01", "training.log_every=1", "evaluation.test_every=1",
)  # fmt: skip


@pytest.mark.parametrize("network", ["cnn", "mlp"])
def test_features_computed_once_train_as_images_do(
    train: Callable[..., Follower], network: str, tmp_path: Path
) -> None:
    transform = tmp_path / "transform.py"
    transform.write_text("def same(images):\n    return images\n")
    settings = (*PROBE, f"model.name={network}")
    once, each = train(*settings), train(*settings, f"data.transform={transform}:same")
    assert "the features of the frozen backbone are computed once" in once.folder.log_file.read_text()
    assert "the frozen backbone keeps its random weights" in once.folder.log_file.read_text()
    assert "data.transform may change the images at random" in each.folder.log_file.read_text()
    for one, other in zip(
        (once.train, *once.evaluations.values()), (each.train, *each.evaluations.values()), strict=True
    ):
        assert list(one["loss"]) == pytest.approx(list(other["loss"]), rel=1e-5)
        assert list(one["accuracy"]) == list(other["accuracy"])
    pictures = [run.folder.evaluation("test") for run in (once, each)]
    assert pictures[0] is not None
    assert pictures[1] is not None
    assert [sample.pixels for sample in pictures[0].worst] == [sample.pixels for sample in pictures[1].worst]


def test_a_classifier_with_dropout_resumes_exactly_on_its_features(
    interrupted: Callable[[Config, str], tuple[RunFolder, RunFolder]],
    quick: Callable[..., Config],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tuitrain.training.loop.POLL_INTERVAL", 0)
    whole, resumed = interrupted(quick(*PROBE), "stop")
    first, second = (checkpoint.load(run.checkpoints / "last.safetensors")["model"] for run in (whole, resumed))
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("frozen", [
    ("finetune.freeze=backbone",), ("finetune.freeze=backbone", "finetune.freeze_norms=false"), ("WEIGHTS",),
])  # fmt: skip
def test_batches_of_one_image_train_if_the_statistics_of_norms_stay(
    train: Callable[..., Follower], frozen: tuple[str, ...]
) -> None:
    network = ("model.name=cnn", "model.channels=[4]", "model.batch_norm=true", "data.fraction=0.05")
    if frozen == ("WEIGHTS",):
        frozen = (f"model.weights=run:{train(*network, 'training.epochs=1').folder.id}",)
    images = train(*network, *frozen, "data.batch_size=1", "training.epochs=1").folder.info().sizes["train"]
    run = train(*network, *frozen, f"data.batch_size={images - 1}", "training.epochs=1")
    assert run.folder.state().steps_per_epoch == 2


@pytest.mark.parametrize("settings", [(), ("finetune.freeze_epochs=1",), ("finetune.freeze_norms=false", "WEIGHTS")])
def test_batches_of_one_image_are_refused_if_norms_train(
    train: Callable[..., Follower], settings: tuple[str, ...]
) -> None:
    network = ("model.name=cnn", "model.channels=[4]", "model.batch_norm=true", "training.epochs=2")
    if "WEIGHTS" in settings:
        settings = (settings[0], f"model.weights=run:{train(*network).folder.id}")
    with pytest.raises(ConfigError, match="batch normalization needs 2 images"):
        train(*network, *settings, "data.batch_size=1")


def test_a_probe_on_cached_features_in_bf16_is_evaluated_and_exported(
    train: Callable[..., Follower], tmp_path: Path
) -> None:
    settings = (*PROBE, "training.precision=bf16")
    computed, read = train(*settings), train(*settings)
    assert "features of 1,797 images read from the cache" in read.folder.log_file.read_text()
    again = evaluate_checkpoint(read.folder, "test", "last", "cpu", lambda *_: None)
    stored = read.folder.evaluation("test")
    assert stored is not None
    assert again.predicted == stored.predicted
    files = [tmp_path / f"{name}.safetensors" for name in ("computed", "read")]
    for run, file in zip((computed, read), files, strict=True):
        export(run.folder, "safetensors", file)
    first, second = map(load_file, files)
    assert all(torch.equal(first[name], second[name]) for name in first)
    # The export has the whole network, not only the classifier.
    assert any(name.startswith("stages.") for name in first), list(first)
