"""The program in docs/export.md, which knows only the JSON file, classifies pictures as the run does."""

import re
import runpy
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from conftest import ROOT
from training.export.photos import write_photos
from tuitrain.config.exports import Values
from tuitrain.hosts.export import export
from tuitrain.image_folder.splits import FolderSplits
from tuitrain.runs.follower import Follower
from tuitrain.training.data.image_folder import image_reader


def program(folder: Path) -> Path:
    """Write the first program of the page to a file."""
    page = (ROOT / "docs" / "export.md").read_text(encoding="utf-8")
    found = re.search(r"```python\n(.*?)```", page, re.DOTALL)
    assert found
    path = folder / "classify.py"
    path.write_text(found[1], encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("resize", "channels", "values"),
    [("crop", "rgb", "normalized"), ("squash", "grey", "unit"), ("pad", "rgb", "uint8")],
)
def test_the_program_gives_the_classes_of_the_run(
    train: Callable[..., Follower],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    resize: str,
    channels: str,
    values: Values,
) -> None:
    photos = write_photos(tmp_path / "photos")
    run = train(
        "data.dataset=image-folder", f"data.dir={photos}", "data.image_size=24", f"data.resize={resize}",
        f"data.channels={channels}", "model.name=cnn", "training.epochs=4", "data.batch_size=8", "optimizer.lr=0.01",
    )  # fmt: skip
    export(run.folder, "onnx", tmp_path / "net.onnx", values=values)
    evaluation = run.folder.evaluation("test")
    assert evaluation is not None
    files = FolderSplits.scan(replace(run.folder.config().data, image_size=24), 0)
    paths = files.splits["test"].paths
    monkeypatch.setattr(sys, "argv", ["classify.py", str(tmp_path / "net.onnx"), *paths])
    capsys.readouterr()
    known = runpy.run_path(str(program(tmp_path)))
    found = [line.split(" ", 1) for line in capsys.readouterr().out.splitlines()]
    predicted = [evaluation.classes[label] for label in np.frombuffer(evaluation.predicted, "<u2")]
    assert len(set(predicted)) > 1
    assert found == [list(pair) for pair in zip(predicted, paths, strict=True)]
    if values == "uint8":
        # Pillow and torch resize with the same filter and round differently.
        read = image_reader(replace(run.folder.config().data, image_size=24), files, run.folder.info())
        for path in paths:
            np.testing.assert_allclose(known["read"](path).astype(int), read(path).numpy().astype(int), atol=1)
