"""Networks from the user's files."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tuitrain.config.schema import Config, Model
from tuitrain.config.values import override
from tuitrain.errors import ConfigError
from tuitrain.hosts.evaluate import evaluate_checkpoint
from tuitrain.hosts.export import export
from tuitrain.hosts.launch import RunSpec, create_run, resume_run
from tuitrain.runs.control import Inbox
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.follower import Follower
from tuitrain.training import checkpoint, models
from tuitrain.training.models.summary import summarize
from tuitrain.training.models.user_model import check_output

Train = Callable[..., Follower]
SHAPE, CLASSES = (1, 8, 8), 10
HEAD = "import random\nimport numpy, torch\nfrom torch import nn\n"
NET = """
class Net(nn.Module):
    def __init__(self, classes, channels, image_size, width=4, depths=()):
        super().__init__()
        self.conv = nn.Conv2d(channels, width, 3, padding=1)
        self.norm = nn.BatchNorm2d(width)
        self.head = nn.Linear(width * image_size * image_size, classes)
        self.depths = depths

    def forward(self, x):
        noise = (random.random() + numpy.random.rand() + torch.rand(())) * self.training
        x = self.norm(self.conv(x)).relu()
        return self.head(x.view(len(x), -1)) + noise
"""


def model(folder: Path, code: str = NET, **args: object) -> Model:
    file = folder / "mine.py"
    file.write_text(HEAD + code)
    settings = [f"model.args.{name}={value}" for name, value in args.items()]
    return override(Config(), [f"model.name={file}:Net", *settings]).model


def test_the_class_is_called_with_the_data_and_the_arguments(tmp_path: Path) -> None:
    config = model(tmp_path, width=3, depths="[1, 2]")
    network = models.build(config, SHAPE, CLASSES)
    check_output(config, network, SHAPE, CLASSES)
    assert network.get_submodule("head").weight.shape == (10, 3 * 64)
    assert network.depths == [1, 2]
    assert network.training


def test_sides_of_different_lengths_are_height_and_width(tmp_path: Path) -> None:
    code = "def Net(image_size, **_):\n    return nn.Sequential(nn.Flatten(), nn.LazyLinear(image_size[1]))\n"
    network = models.build(model(tmp_path, code), (1, 8, 10), 10)
    check_output(model(tmp_path, code), network, (1, 8, 10), 10)
    assert network.get_submodule("1").weight.shape == (10, 80)


def test_the_check_changes_no_generator_and_no_statistics(tmp_path: Path) -> None:
    network = models.build(model(tmp_path), SHAPE, CLASSES)
    before = torch.get_rng_state()
    check_output(model(tmp_path), network, SHAPE, CLASSES)
    assert torch.equal(torch.get_rng_state(), before)
    assert network.get_submodule("norm").num_batches_tracked == 0


def test_the_summary_lists_the_layers(tmp_path: Path) -> None:
    summary = summarize(model(tmp_path), SHAPE, CLASSES)
    assert summary.title == "Net"
    assert [layer.kind for layer in summary.layers] == ["Conv2d", "BatchNorm2d", "Linear"]
    assert summary.parameters == 40 + 8 + 2570


FORWARD = """
class Net(nn.Module):
    def __init__(self, classes, channels, image_size):
        super().__init__()
        self.head = nn.Linear(64, classes)

    def forward(self, x):
        {}
"""


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("def Net(classes, channels):\n    pass\n", r"cannot be called with classes, channels, image_size: got an unexpected keyword argument 'image_size' \(mine\.py, line 4: def Net\(classes, channels\):\)"),  # noqa: E501
        ("def Net(classes, channels, image_size, depth):\n    pass\n", r"missing a required argument: 'depth' \(mine\.py, line 4"),  # noqa: E501
        ("def Net(**_):\n    raise ValueError('no')\n", r"Net of .*mine\.py raised ValueError: no \(mine\.py, line 5: raise ValueError\('no'\)\)"),  # noqa: E501
        ("def Net(**_):\n    raise SystemExit\n", r"raised SystemExit \(mine\.py, line 5"),
        # Python 3.13.0 does not limit the recursion of a function with keyword arguments, such as Net.
        ("def Net(**_):\n    again = lambda: again(); again()\n", r"raised RecursionError: .* \(mine\.py, line 5"),
        ("def Net(**_):\n    return 3\n", r"returned a int, but must return an nn\.Module"),
        ("def Net(**_):\n    return nn.Linear\n", r"returned a type, but must return an nn\.Module"),
        ("Net = 3\n", "Net in .* is a int, not a function"),
        ("def Net(**_):\n    return nn.Flatten()\n", r"returned \(2, 64\), but must return logits \(2, 10\)"),
        (FORWARD.format("return self.head(x)"), r"raised RuntimeError: .*mat1 .* \(mine\.py, line 11: return self\.head\(x\)\)"),  # noqa: E501
        (FORWARD.format("return self.head(x.flatten(1)).sum(1)"), r"returned \(2,\), but must return logits \(2, 10\)"),
        (FORWARD.format("return self.head(x.flatten(1)).argmax(1, True)"), r"returned torch\.int64 \(2, 1\), but"),
        (FORWARD.format("return self.head(x.flatten(1)), x"), r"returned a tuple, but must return logits"),
        (FORWARD.format("import sys; sys.exit()"), r"raised SystemExit"),
        (FORWARD.format("return self(x)"), r"raised RecursionError: .* \(mine\.py, line 11: return self\(x\)\)"),
        ("def Net(classes, **_):\n    return nn.Sequential(nn.Flatten(), nn.AvgPool1d(6), nn.Softmax(1))\n", "has no parameters to train"),  # noqa: E501
    ],
)  # fmt: skip
def test_a_network_that_does_not_work_is_one_sentence(tmp_path: Path, code: str, message: str) -> None:
    config = model(tmp_path, code)
    with pytest.raises(ConfigError, match=message) as caught:
        check_output(config, models.build(config, SHAPE, CLASSES), SHAPE, CLASSES)
    assert caught.value.key == "model.name"
    assert "\n" not in str(caught.value)


def test_a_run_resumes_exactly_and_is_evaluated_and_exported(
    tmp_path: Path, interrupted: Callable[[Config, str], tuple[RunFolder, RunFolder]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tuitrain.training.loop.POLL_INTERVAL", 0)
    own = model(tmp_path, width=3)
    quick = ("training.device=cpu", "training.threads=1", "training.epochs=2", "data.batch_size=300")
    config = override(Config(), [*quick, f"model.name={own.name}", "model.args.width=3"])
    whole, cut = interrupted(config, "own")
    assert whole.info().model == "Net"
    for name in ("last", "best"):
        first, second = (checkpoint.load(run.checkpoints / f"{name}.safetensors")["model"] for run in (whole, cut))
        assert all(torch.equal(first[key], second[key]) for key in first)
    # The copy is used from now on.
    Path(own.name.rpartition(":")[0]).write_text("raise SystemExit\n")
    assert evaluate_checkpoint(cut, "test", "best", "cpu", lambda *_: None).worst
    export(cut, "onnx", tmp_path / "net.onnx")
    assert (tmp_path / "net.onnx").stat().st_size > 1000


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("1 / 0", r"ZeroDivisionError: division by zero \(mine\.py, line 12: 1 / 0\)\. The traceback is in the run's"),
        ("raise SystemExit(3)", r"SystemExit: 3 \(mine\.py, line 12: raise SystemExit\(3\)\)\. The traceback"),
    ],
)
def test_an_error_in_training_names_the_line(tmp_path: Path, statement: str, message: str) -> None:
    code = FORWARD.format(f"if self.training:\n            {statement}\n        return self.head(x.flatten(1))")
    config = override(Config(), ["training.device=cpu", f"model.name={model(tmp_path, code).name}"])
    folder = create_run(RunSpec(config=config, runs_dir=tmp_path / "runs"))
    state = resume_run(folder, lambda *_: None, Inbox(folder))
    assert state.status == "failed"
    assert re.match(message, state.reason)
    assert "Traceback (most recent call last)" in folder.log_file.read_text()


def test_features_of_a_users_network_are_not_computed_once(tmp_path: Path) -> None:
    """Its code may draw random numbers in any mode."""
    from tuitrain.training.fine_tuning.features import obstacle
    from tuitrain.training.setup import prepare

    settings = ["training.device=cpu", "finetune.freeze=backbone", f"model.name={model(tmp_path).name}"]
    setup = prepare(override(Config(), settings), lambda *_: None)
    assert "may change images at random" in obstacle(setup)


def test_a_networks_own_views_work_in_training(train: Train, tmp_path: Path) -> None:
    """The network of the test above uses `view`, which channels last would not allow."""
    own = model(tmp_path).name
    run = train("training.epochs=1", "data.batch_size=500", f"model.name={own}", "model.args.width=5")
    assert run.state.status == "finished"
    assert run.config.model.args == "{width = 5}"


def test_runs_of_a_sweep_are_named_by_the_network(tmp_path: Path) -> None:
    from tuitrain.config.sweeps.sweep import Sweep
    from tuitrain.hosts.sweeps.worker import _run_name
    from tuitrain.runs.sweeps.records import Job

    values = {"model.name": f"{tmp_path}/mine.py:Net", "model.args.width": 4, "model.args.depths": (1, 2)}
    assert _run_name(Sweep(), values, Job(0, 0)) == "Net-width-4-depths-[1, 2]-s0"
