"""Paths in a configuration."""

from pathlib import Path

import pytest

from tuitrain.config.schema import Config
from tuitrain.config.values import override
from tuitrain.errors import ConfigError
from tuitrain.hosts.launch import RunSpec, create_run
from tuitrain.hosts.paths import with_absolute_paths


def weights(text: str, runs_dir: Path) -> str | None:
    return with_absolute_paths(override(Config(), [f"model.weights={text}"]), runs_dir).model.weights


def test_weights_are_found_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert weights("some.pt", tmp_path) == str(tmp_path / "some.pt")
    assert weights("pretrained", tmp_path) == "pretrained"
    assert weights("none", tmp_path) is None


def test_a_run_stands_for_its_best_checkpoint_or_else_its_last(tmp_path: Path) -> None:
    run = create_run(RunSpec(config=Config(), runs_dir=tmp_path, name="first"))
    run.checkpoints.mkdir(exist_ok=True)
    for file in ("last.safetensors", "best.safetensors"):
        (run.checkpoints / file).touch()
        assert weights("run:first", tmp_path) == str(run.checkpoints / file)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("https://example.com/w.pth", "does not download weights from an address"),
        ("run:nobody", "No run 'nobody'"),
        ("run:empty", "the run has no checkpoint"),
    ],
)
def test_weights_that_cannot_be_found_are_refused(tmp_path: Path, text: str, message: str) -> None:
    create_run(RunSpec(config=Config(), runs_dir=tmp_path, name="empty"))
    with pytest.raises(ConfigError, match=message) as raised:
        weights(text, tmp_path)
    assert raised.value.key == "model.weights"
