"""A compiled network trains the same weights."""

import shutil

import pytest
import torch

from tuitrain.config.schema import Config
from tuitrain.config.stackable import stacking_key
from tuitrain.config.values import override
from tuitrain.errors import ConfigError
from tuitrain.training.backward import AutogradBackward, build_backward
from tuitrain.training.models import compilation
from tuitrain.training.setup import prepare

QUICK = ("training.device=cpu", "training.threads=1", "data.batch_size=8", "model.hidden=[4]", "training.compile=true")


def quick(*settings: str) -> Config:
    return override(Config(), (*QUICK, *settings))


@pytest.mark.usefixtures("restored_torch_settings")
def test_the_weights_keep_their_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """The step is compiled by a backend that computes eagerly, so that the test takes no compiler."""
    compile = torch.compile
    monkeypatch.setattr(torch, "compile", lambda model, **options: compile(model, **options, backend="eager"))
    setup = prepare(quick(), lambda *_: None)
    assert setup.forward is not setup.model
    assert not any("_orig_mod" in name for name in setup.model.state_dict())
    backward = build_backward(setup)
    assert isinstance(backward, AutogradBackward)
    images, labels = next(setup.dataset.train.batches(torch.arange(8), 8))
    _, logits = backward(*setup.inputs_and_labels(images, labels), 1)
    assert torch.equal(logits, setup.model(setup.normalize(images)))
    assert all(parameter.grad is not None for parameter in setup.model.parameters())


@pytest.mark.usefixtures("restored_torch_settings")
def test_a_machine_without_a_compiler_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)  # noqa: ARG005
    with pytest.raises(ConfigError, match=r"training.compile = true needs a C\+\+ compiler such as g\+\+") as caught:
        prepare(quick(), lambda *_: None)
    assert caught.value.key == "training.compile"
    # An evaluation does not compile.
    assert prepare(quick(), lambda *_: None, only="test").forward is not None


def test_a_gpu_needs_triton(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)  # noqa: ARG005
    with pytest.raises(ConfigError, match="needs the package triton"):
        compilation.compiled(torch.nn.Linear(1, 1), torch.device("cuda"))


def test_a_compiled_run_is_not_stacked() -> None:
    assert stacking_key(override(Config(), ["training.compile=false"])) is not None
    assert stacking_key(quick()) is None


def test_compilation_and_checkpointing_exclude_each_other() -> None:
    with pytest.raises(ConfigError, match="cannot be combined"):
        quick("model.name=cnn", "training.checkpointing=true")
