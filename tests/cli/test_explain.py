"""`tuitrain explain`."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from tuitrain.cli import main
from tuitrain.runs.follower import Follower

Train = Callable[..., Follower]


@pytest.fixture
def run(train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    folder = train("model.hidden=8", "training.epochs=1").folder
    monkeypatch.chdir(tmp_path)
    return str(folder.path)


def test_an_image_is_written_and_described(run: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", run, "12", "7", "--json", "--class", "3", "--nearest", "2", "--device", "cpu"]) == 0
    out, err = capfd.readouterr()
    document = json.loads(out)
    first, second = document["images"]
    assert [first["image"], second["image"]] == ["test image 12", "test image 7"]
    assert (first["explained"], first["method"], first["picture"]) == ("3", "input gradient", "explain-12.png")
    assert [set(each) for each in first["nearest"]] == [{"index", "file", "label", "similarity"}] * 2
    assert Image.open("explain-12.png").size == (456, 224)
    assert Path("explain-7.png").exists()
    assert "loading the network" in err
    # An existing file is kept.
    assert main(["explain", run, "12"]) == 2
    assert "explain-12.png already exists" in capfd.readouterr().err
    assert main(["explain", run, "12", "-o", "deep/own.png", "--nearest", "1", "--device", "cpu"]) == 0
    lines = capfd.readouterr().out.splitlines()
    assert lines[0].startswith("test image 12 · true ")
    assert lines[1] == "input gradient: deep/own.png"
    assert lines[2].split() == ["nearest", "similarity", "training", "image"]
    assert len(lines) == 4


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["1", "--class", "11"], "has no class '11'. Did you mean 1?"),
        (["360"], "no image 360. Choose one from 0 to 359."),
        (["1", "1"], "Two images would be written to explain-1.png"),
        (["1", "-o", "."], ""),
        (["1", "none.png"], "There is no file none.png. Name an image file, or the index of an image."),
        (["1", "--split", "training", "--checkpoint", "best"], ""),
        (["1", "--device", "gpu"], "training.device"),
    ],
)
def test_refusals(run: str, capfd: pytest.CaptureFixture[str], arguments: list[str], reason: str) -> None:
    assert main(["explain", run, *arguments]) == (2 if reason else 0)
    assert reason in capfd.readouterr().err


def test_images_before_one_that_fails_are_described(run: str, capfd: pytest.CaptureFixture[str]) -> None:
    Path("broken.png").write_bytes(b"none")
    assert main(["explain", run, "3", "broken.png", "--nearest", "0"]) == 2
    printed = capfd.readouterr()
    assert printed.out.splitlines()[1] == "input gradient: explain-3.png"
    assert "broken.png" in printed.err
