import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import msgspec
import pytest
import torch
from PIL import Image

from tuitrain.config.data.datasets import data_folder
from tuitrain.config.data.schema import Data
from tuitrain.config.schema import Config
from tuitrain.config.values import override
from tuitrain.errors import DataError
from tuitrain.hosts.preview.preview import Preview, add_need, add_network, preview_data, still_known
from tuitrain.hosts.preview.process import PreviewProcess
from tuitrain.hosts.preview.split_sizes import SplitSizes, split_sizes
from tuitrain.image_folder.splits import FolderSplits
from tuitrain.training import models
from tuitrain.training.optim.build import build_optimizer
from tuitrain.training.setup import prepare

QUICK = ("model.hidden=8", "training.device=cpu")


def preview_of(*settings: str) -> Preview:
    return add_network(preview_data(override(Config(), settings)))


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """A folder with 7, 12 and 5 images of three classes, and files that are not images."""
    for name, count in (("ant", 7), ("bee", 12), ("cat", 5)):
        folder = tmp_path / "images" / name / "deep"
        folder.mkdir(parents=True)
        for index in range(count):
            Image.new("L", (4, 4), index).save(folder / f"{index}.png")
        (folder / "notes.txt").write_text("no image")
        (folder / ".hidden.png").write_text("no image")
    return tmp_path / "images"


@pytest.mark.parametrize(
    "settings",
    [
        (),
        ("data.validation=0", "data.batch_size=100"),
        ("data.validation=0.999",),
        ("data.fold=2/3",),
        ("data.fold=3/3",),
        ("optimizer.accumulate=3",),
        ("data.batch_size=4", "model.batch_norm=true"),
        ("data.batch_size=4", "model.batch_norm=false"),
    ],
)
def test_split_sizes_and_steps_equal_those_of_the_run(settings: tuple[str, ...]) -> None:
    config = override(Config(), (*QUICK, *settings))
    setup = prepare(config, lambda *_: None)
    preview = add_network(preview_data(config))
    assert preview.splits is not None
    assert preview.splits.train == len(setup.dataset.train)
    assert preview.splits.validation == (len(setup.dataset.validation) if setup.dataset.validation else 0)
    assert preview.splits.test == len(setup.dataset.test)
    assert preview.splits.shape == setup.dataset.shape
    assert preview.splits.classes == len(setup.dataset.classes)
    assert preview.steps_per_epoch == setup.steps_per_epoch


@pytest.mark.parametrize(
    "rule",
    [("sgd",), ("sgd", "optimizer.momentum=0.9"), ("adam",), ("adamw",), ("nadam",), ("radam",), ("adagrad",),
     ("rmsprop",), ("rmsprop", "optimizer.momentum=0.9")],
)  # fmt: skip
def test_memory_includes_parameters_and_optimizer_state(rule: tuple[str, ...]) -> None:
    preview = preview_of(f"optimizer.name={rule[0]}", *rule[1:])
    model = models.build(preview.config.model, (1, 8, 8), 10)
    optimizer = build_optimizer(preview.config.optimizer, model)
    model(torch.zeros(2, 1, 8, 8)).sum().backward()
    optimizer.step()
    shapes = {parameter.shape for parameter in model.parameters()}
    state_tensors = [
        value for state in optimizer.state.values() for value in state.values() if isinstance(value, torch.Tensor)
    ]
    count = sum(
        tensor.numel() for tensor in [*model.parameters(), *(t for t in state_tensors if t.shape in shapes and t.ndim)]
    )
    assert preview.memory_bytes == 4 * count


@pytest.mark.parametrize("validation", [0.0, 0.1, 0.5])
@pytest.mark.parametrize("folders", [(), ("test",), ("val", "test")])
def test_image_folder_splits_equal_those_of_training(images: Path, validation: float, folders: tuple[str, ...]) -> None:
    root = images
    if folders:
        root = images.parent / "split"
        root.mkdir()
        for name in ("train", *folders):
            (root / name).symlink_to(images)
    data = Data(dataset="image-folder", dir=str(root), validation=validation)
    sizes = split_sizes(data)
    folder = FolderSplits.scan(data, seed=0)
    counts = {name: len(files.paths) for name, files in folder.splits.items()}
    assert (sizes.train, sizes.validation, sizes.test) == (
        counts["training"], counts.get("validation", 0), counts["test"],
    )  # fmt: skip
    assert sizes.classes == 3
    assert not sizes.truncated


def test_channels_auto_detects_grey_images(images: Path) -> None:
    settings = ("data.dataset=image-folder", f"data.dir={images}", "data.image_size=16")
    preview = preview_of(*settings)
    assert preview.splits is not None
    assert preview.splits.shape == (1, 16, 16)
    # A single one with colors, as in training.
    Image.new("RGB", (4, 4), "red").save(images / "ant" / "deep" / "0.png")
    preview = preview_of(*settings)
    assert preview.splits is not None
    assert preview.splits.shape == (3, 16, 16)


def test_a_missing_folder_is_reported(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="There is no folder"):
        split_sizes(Data(dataset="image-folder", dir=str(tmp_path / "none")))
    preview = preview_of("data.dataset=image-folder", f"data.dir={tmp_path / 'none'}")
    assert preview.final
    assert "There is no folder" in preview.problem
    assert (preview.splits, preview.steps, preview.rates()) == (None, 0, ([], []))


def test_location_says_whether_the_files_exist(tmp_path: Path) -> None:
    data = Data(dataset="mnist", dir=str(tmp_path))
    assert split_sizes(data).location.startswith("download: 12 MB, licence: none stated, see ")
    (tmp_path / "MNIST" / "raw").mkdir(parents=True)
    assert split_sizes(data).location.startswith("download: 12 MB, licence: none stated, see ")
    (tmp_path / "MNIST" / "raw" / "train-labels-idx1-ubyte").touch()
    assert split_sizes(data).location == f"found in {tmp_path}"


def test_data_folder_expands_home_and_defaults_to_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert data_folder(None).is_relative_to(tmp_path)
    assert data_folder("~/here") == tmp_path / "here"


def test_rates_follow_the_schedule() -> None:
    preview = preview_of("schedule.name=cosine", "schedule.warmup=1", "schedule.final=0.5", "optimizer.lr=0.2")
    epochs, rates = preview.rates()
    assert epochs[0] == 0
    assert epochs[-1] == pytest.approx((preview.steps - 1) / preview.steps_per_epoch)
    assert max(rates) == pytest.approx(0.2)
    assert rates[-1] == pytest.approx(0.1)
    assert rates[0] < 0.02
    long = Preview(override(Config(), ["training.epochs=100000000"]), SplitSizes(10**9, 0, 0, (1, 8, 8), 10, ""))
    assert len(long.rates()[0]) <= 240


def test_an_impossible_network_names_the_setting() -> None:
    preview = preview_of("model.name=vit_b_16", "model.activation=tanh")
    assert preview.key == "model.activation"
    assert "no ReLU" in preview.problem
    assert preview.splits is not None
    assert preview.final


def wait_for(previewer: PreviewProcess, config: Config, *, final: bool = True) -> Preview:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        previewer.request(config)
        latest = previewer.latest
        if latest is not None and latest.config == config and latest.final >= final:
            return latest
        time.sleep(0.02)
    raise AssertionError("no answer")


def test_the_process_answers_estimates_the_memory_once_the_configuration_stays_and_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.py").write_text("def Net(**_):\n    raise ValueError\n")
    previewer = PreviewProcess()
    try:
        for settings in (("model.name=cnn",), (f"model.name={tmp_path}/mine.py:Net",), QUICK):
            config = override(Config(), settings)
            answer = wait_for(previewer, config)
            assert msgspec.structs.replace(answer, need=None) == add_network(preview_data(config))
        deadline = time.monotonic() + 60
        while (latest := previewer.latest) is None or latest.need is None:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process = previewer._child._process
        assert process is not None
    finally:
        previewer.close()
    assert process.wait(60) == -signal.SIGKILL
    need = latest.need
    assert (need.step.parameters, need.device, need.fits) == (8 * 64 + 8 + 8 * 10 + 10, "cpu", True)
    monkeypatch.setattr("psutil.virtual_memory", lambda: type("Free", (), {"available": 1000}))
    found = add_need(add_network(preview_data(config)))
    assert found.need is not None
    assert not found.need.fits
    # Another optimizer keeps the network, and needs other memory.
    assert still_known(found, override(config, ["optimizer.name=sgd"])).need is None


def test_closing_does_not_wait_for_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that reads from a dead file server cannot be killed."""
    previewer = PreviewProcess()
    previewer.request(Config())
    assert previewer._child._process is not None
    process, waiting = previewer._child._process, []
    with monkeypatch.context() as patched:
        patched.setattr(process, "wait", lambda: waiting.append(threading.current_thread()))
        previewer.close()
    process.wait(60)
    assert threading.main_thread() not in waiting


@pytest.mark.parametrize("program", ["exit", "echo garbage; exec sleep 100"])
def test_a_failed_process_is_reported_and_replaced(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, program: str
) -> None:
    failures: list[type[BaseException]] = []
    monkeypatch.setattr(threading, "excepthook", lambda failed: failures.append(failed.exc_type))
    (python := tmp_path / "python").write_text(f"#!/bin/sh\nread line; {program}\n")
    python.chmod(0o755)
    previewer = PreviewProcess()
    try:
        with monkeypatch.context() as patched:
            patched.setattr(sys, "executable", str(python))
            assert wait_for(previewer, Config()).problem == "No preview: its process ended."
            assert previewer._child._process is not None
            assert previewer._child._process.wait(60) in (0, -signal.SIGKILL)
        assert wait_for(previewer, override(Config(), ["training.epochs=3"]), final=False).splits is not None
    finally:
        previewer.close()
    assert failures == ([msgspec.DecodeError] if "garbage" in program else [])


def test_preview_data_does_not_load_torch() -> None:
    code = (
        "import sys, tuitrain.hosts.preview.process as p; from tuitrain.config.schema import Config;"
        "assert p.preview_data(Config()).splits.train == 1293; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_images_with_more_than_8_bits_are_noted(images: Path) -> None:
    for path in images.rglob("[0-9]*.png"):
        Image.new("I;16", (4, 4), 999).save(path)
    preview = preview_of("data.dataset=image-folder", f"data.dir={images}", *QUICK)
    assert preview.splits is not None
    assert preview.splits.notes[-1] == "24 of 24 sampled images have 16-bit values, which are scaled to 0-255"


NET = """
import pathlib
from torch import nn
pathlib.Path(__file__).with_name("ran").touch()
def Net(classes, channels, image_size, width=4):
    return nn.Sequential(nn.Flatten(), nn.Linear(channels * image_size ** 2, width), nn.Linear(width, classes))
"""


def test_a_network_of_a_file_is_previewed_once_it_is_allowed(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(NET)
    config = override(Config(), [f"model.name={file}:Net", "model.args.width=5"])
    preview = add_network(preview_data(config, may_run=False))
    assert preview.problem == "The network is built once you have allowed its code: ctrl+r asks."
    assert preview.splits is not None
    assert preview.final
    assert not (tmp_path / "ran").exists()
    network = add_network(preview_data(config)).network
    assert network is not None
    assert (network.title, network.parameters) == ("Net", 65 * 5 + 60)
    # Another content of the file is another network.
    file.write_text(NET.replace("nn.Linear(width, classes)", "nn.Linear(width, classes, bias=False)"))
    network = add_network(preview_data(config)).network
    assert network is not None
    assert network.parameters == 65 * 5 + 50


def test_an_error_in_a_file_is_that_of_the_network(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text("def Net(**_):\n    raise SystemExit\n")
    preview = add_network(preview_data(override(Config(), [f"model.name={file}:Net"])))
    assert preview.key == "model.name"
    assert "(mine.py, line 2: raise SystemExit)" in preview.problem


def test_a_file_that_ends_the_process(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text("import os\ndef Net(**_):\n    os._exit(0)\n")
    previewer = PreviewProcess()
    try:
        preview = wait_for(previewer, override(Config(), [f"model.name={file}:Net"]))
        assert preview.problem == "No preview: its process ended, probably by your code."
        assert wait_for(previewer, Config(), final=False).splits is not None
    finally:
        previewer.close()


DATA = """
import pathlib, torch
pathlib.Path(__file__).with_name("ran").touch()
def data():
    images, labels = torch.zeros(50, 3, 6, 6), torch.arange(50) % 5
    return {"train": (images, labels), "classes": list("abcde")}
"""


def test_a_data_set_of_a_file_is_previewed_once_it_is_allowed(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(DATA)
    config = override(Config(), [f"data.dataset={file}:data"])
    preview = add_network(preview_data(config, may_run=False))
    assert preview.problem == "The data is read once you have allowed its code: ctrl+r asks."
    assert not (tmp_path / "ran").exists()
    preview = add_network(preview_data(config))
    assert preview.splits is not None
    assert (preview.splits.train, preview.splits.validation, preview.splits.test) == (36, 4, 10)
    assert (preview.splits.shape, preview.splits.classes) == ((3, 6, 6), 5)
    assert preview.network is not None
    file.write_text(DATA.replace("torch.zeros(50, 3, 6, 6)", "[]"))
    assert "length" in add_network(preview_data(config)).problem or add_network(preview_data(config)).problem
