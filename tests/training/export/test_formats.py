"""Other programs load exported files: pandas, TensorBoard, safetensors, ONNX Runtime."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from math import isnan
from pathlib import Path

import onnxruntime
import pandas
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

from forked import tuitrain
from tuitrain.config.conditions import unused
from tuitrain.config.schema import Config
from tuitrain.config.settings import settings
from tuitrain.config.values import override
from tuitrain.errors import ConfigError, RunError
from tuitrain.hosts.export import Format, default_path, export
from tuitrain.hosts.launch import RunSpec, create_run, resume_run, resume_stacked_runs, train_new_run
from tuitrain.runs.control import Inbox
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.follower import Follower
from tuitrain.training import models
from tuitrain.training.data import standard
from tuitrain.training.stacking.loop import StackedTraining

CONFIG = ("training.device=cpu", "training.threads=1", "training.epochs=2", "training.log_every=5",
          "model.name=cnn", "model.batch_norm=true")  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A finished run of a small CNN."""
    folders: list[RunFolder] = []

    def created(folder: RunFolder, _: Inbox) -> None:
        folders.append(folder)

    runs_dir = tmp_path_factory.mktemp("export") / "runs"
    train_new_run(RunSpec(config=override(Config(), CONFIG), runs_dir=runs_dir, name="run"), lambda *_: None, created)
    return folders[0]


@pytest.fixture
def run(folder: RunFolder, read: Callable[[RunFolder], Follower]) -> Follower:
    return read(folder)


def exported(folder: RunFolder, format: Format, directory: Path, checkpoint: str = "last") -> Path:
    path = directory / default_path(folder, format)
    export(folder, format, path, checkpoint=checkpoint)
    description = [] if format in ("csv", "tensorboard") else [f"{path.stem}.json"]
    assert {other.name for other in directory.iterdir()} == {path.name, *description}
    return path


def test_pandas_reads_every_row(folder: RunFolder, run: Follower, tmp_path: Path) -> None:
    # The default parser of pandas 2 is off by one in the last place.
    table = pandas.read_csv(exported(folder, "csv", tmp_path), float_precision="round_trip")
    train = table[table.split == "train"]
    assert len(table) == len(run.train) + len(run.evaluations["validation"]) + len(run.evaluations["test"])
    assert list(train.step) == list(run.train.step)
    for column in ("epoch", "seconds", "time", "loss", "accuracy", "lr", "grad_norm"):
        assert list(train[column]) == list(run.train[column])
    for layer, norms in zip(run.info.layers, run.layers, strict=True):
        assert list(train[f"grad_norm.{layer}"]) == list(norms)
    for split in ("validation", "test"):
        rows = table[table.split == split]
        assert list(rows.loss) == list(run.evaluations[split]["loss"])
        assert rows.lr.isna().all()
    assert list(table.step) == sorted(table.step)


def scalars(path: Path) -> Iterator[tuple[str, list[tuple[int, float, float]]]]:
    reader = EventAccumulator(str(path))
    reader.Reload()
    for tag in reader.Tags()["scalars"]:
        yield tag, [(event.step, event.wall_time, event.value) for event in reader.Scalars(tag)]


def test_tensorboard_reads_curves_and_settings(folder: RunFolder, run: Follower, tmp_path: Path) -> None:
    path = exported(folder, "tensorboard", tmp_path)
    found = dict(scalars(path))
    assert set(found) == {
        *(f"train/{name}" for name in ("loss", "accuracy", "learning_rate", "grad_norm")),
        *(f"{split}/{name}" for split in ("validation", "test") for name in ("loss", "accuracy")),
        *(f"grad_norm/{layer}" for layer in run.info.layers),
    }
    curves = {"train": run.train, **run.evaluations}
    for split, curve in curves.items():
        for name in ("loss", "accuracy"):
            expected = list(zip(curve.step, curve["time"], curve[name], strict=True))
            # Event files store float32.
            assert found[f"{split}/{name}"] == [(*row, torch.tensor(value).item()) for *row, value in expected]
    reader = EventAccumulator(str(path))
    reader.Reload()
    content = reader.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
    hparams = HParamsPluginData.FromString(content).session_start_info.hparams
    assert set(hparams) == set(settings()) - unused(run.config)
    assert hparams["training.epochs"].number_value == 2
    assert hparams["model.name"].string_value == "cnn"
    assert hparams["model.batch_norm"].bool_value


def test_infinite_and_missing_losses_in_tables(tmp_path: Path) -> None:
    from tuitrain.runs.records import RunInfo
    from tuitrain.runs.rows import Train
    from tuitrain.runs.writer import RunWriter, create

    writer = RunWriter(create(tmp_path / "runs", RunInfo(id="", name="=evil\x1b"), Config()))
    writer.row(Train(step=1, epoch=1, loss=None, accuracy=0.1, lr=1e30, seconds=0.1, time=1.5))
    writer.row(Train(step=2**40, epoch=1, loss=1e300, accuracy=0.1, lr=1.0, seconds=0.2, time=2.5))
    writer.close()
    (tmp_path / "out").mkdir()
    table = pandas.read_csv(exported(writer.folder, "csv", tmp_path / "out"))
    assert isnan(table.loss[0])
    assert table.loss[1] == 1e300
    (tmp_path / "events").mkdir()
    found = dict(scalars(exported(writer.folder, "tensorboard", tmp_path / "events")))
    assert [step for step, _, _ in found["train/loss"]] == [1, 2**40]
    assert isnan(found["train/loss"][0][2])
    assert found["train/loss"][1][2] == float("inf")


@pytest.mark.parametrize("checkpoint", ["last", "best"])
def test_exported_safetensors_load_into_the_model(folder: RunFolder, tmp_path: Path, checkpoint: str) -> None:
    path = exported(folder, "safetensors", tmp_path, checkpoint)
    info = folder.info()
    model = models.build(folder.config().model, info.shape, len(info.classes))
    model.load_state_dict(load_file(path))
    with safe_open(path, framework="np") as file:
        metadata = file.metadata()
    assert metadata["checkpoint"] == checkpoint
    assert json.loads(metadata["classes"]) == info.classes
    assert json.loads(metadata["settings"])["model.name"] == "cnn"
    normalization = json.loads(metadata["normalization"])
    assert normalization["mean"] == info.mean
    assert len(info.mean) == len(info.std) == info.shape[0]


def test_onnx_gives_the_logits_of_torch(folder: RunFolder, tmp_path: Path) -> None:
    network = onnxruntime.InferenceSession(exported(folder, "onnx", tmp_path), providers=["CPUExecutionProvider"])
    weights = tmp_path / "weights"
    export(folder, "safetensors", weights)
    info = folder.info()
    model = models.build(folder.config().model, info.shape, len(info.classes)).eval()
    model.load_state_dict(load_file(weights))
    for images in (torch.randn(1, *info.shape), torch.randn(7, *info.shape)):
        (logits,) = network.run(["logits"], {"images": images.numpy()})
        with torch.no_grad():
            torch.testing.assert_close(torch.from_numpy(logits), model(images), rtol=1e-4, atol=1e-5)
    metadata = network.get_modelmeta().custom_metadata_map
    assert json.loads(metadata["normalization"])["std"] == info.std
    assert json.loads(metadata["input"]) == ["batch", *info.shape]


def test_onnx_names_a_missing_package(folder: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(ConfigError, match=r"tuitrain\[onnx\]"):
        export(folder, "onnx", tmp_path / "a.onnx")
    assert not list(tmp_path.iterdir())


def test_existing_files_are_kept(folder: RunFolder, tmp_path: Path) -> None:
    (existing := tmp_path / "taken").write_text("mine")
    with pytest.raises(RunError, match="--force"):
        export(folder, "csv", existing)
    assert existing.read_text() == "mine"
    export(folder, "csv", existing, force=True)
    assert existing.read_text().startswith("split,step,")
    with pytest.raises(RunError, match="is a file"):
        export(folder, "tensorboard", existing, force=True)
    with pytest.raises(RunError, match="is a folder"):
        export(folder, "csv", tmp_path, force=True)
    with pytest.raises(RunError, match="contains other files"):
        export(folder, "tensorboard", tmp_path, force=True)
    events = tmp_path / "events"
    export(folder, "tensorboard", events)
    with pytest.raises(RunError, match="--force"):
        export(folder, "tensorboard", events)
    export(folder, "tensorboard", events, force=True)
    assert len(list(events.iterdir())) == 1
    with pytest.raises(RunError, match="cannot be written"):
        export(folder, "csv", existing / "below")


def test_a_run_without_checkpoint(tmp_path: Path) -> None:
    from tuitrain.runs.records import RunInfo
    from tuitrain.runs.writer import create

    folder = create(tmp_path / "runs", RunInfo(id="", name="x"), Config())
    with pytest.raises(RunError, match="is missing in"):
        export(folder, "safetensors", tmp_path / "x")


@pytest.mark.parametrize("kind", ["averaged", "stacked"])
def test_exported_weights_have_the_accuracy_that_their_description_states(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr("tuitrain.training.stacking.loop.InterleavedTraining", StackedTraining)
    settings = ["training.device=cpu", "training.threads=1", "training.epochs=1", "model.hidden=[16]"]
    settings += ["training.ema=0.999"] if kind == "averaged" else []
    configs = [override(Config(), [*settings, f"training.seed={seed}"]) for seed in (0, 1)]
    folders = [create_run(RunSpec(config=config, runs_dir=tmp_path / "runs")) for config in configs]
    if kind == "stacked":
        resume_stacked_runs([(folder, Inbox(folder)) for folder in folders], lambda *_: None)
    else:
        resume_run(folders[0], lambda *_: None, Inbox(folders[0]))
        folders = folders[:1]
    _, test, white = standard.read("digits", None, lambda *_: None)
    for folder in folders:
        path = tmp_path / f"{folder.id}.safetensors"
        export(folder, "safetensors", path)
        about, info = json.loads(path.with_suffix(".json").read_text()), folder.info()
        network = models.build(folder.config().model, info.shape, len(info.classes)).eval()
        network.load_state_dict(load_file(path))
        with torch.no_grad():
            predicted = network((test.images / white - info.mean[0]) / info.std[0]).argmax(1)
        assert about["preprocessing"]["value_range"] == [0, white]
        assert about["test"]["accuracy"] == pytest.approx((predicted == test.labels).double().mean().item())


def test_export_command(folder: RunFolder, tmp_path: Path) -> None:
    def command(*arguments: str) -> "subprocess.CompletedProcess[str]":
        return tuitrain(tmp_path, "export", str(folder.path), *arguments)

    done = command("--format", "safetensors", "--json", "-o", "net/")
    document = json.loads(done.stdout)
    assert [Path(file).name for file in document["files"]] == ["model.safetensors", "model.json", "README.md"]
    assert document["check"].startswith("checked on 256 test images: same class for all")
    words = [sys.executable, "-m", "tuitrain", "export", str(folder.path), "--format", "csv"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / done.stdout.strip()).is_file()
    again = command("--format", "csv")
    assert again.returncode == 2
    assert "already exists" in again.stderr
    assert len(again.stderr.splitlines()) == 1
    assert command("--format", "xls").returncode == 2
