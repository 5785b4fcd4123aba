"""The process that classifies single pictures for the screen."""

import io
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from PIL import Image

from planted import Planted
from tuitrain.hosts.predict import predict
from tuitrain.hosts.predict_process import Answer, Request
from tuitrain.hosts.predict_server import _Server
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.follower import Follower


class Answers:
    """A server in this process, and what it answers."""

    def __init__(self) -> None:
        self._stream = io.BytesIO()
        self._server = _Server(self._stream)

    def ask(self, folder: RunFolder, path: Path | str, number: int | None = None, which: str = "last") -> list[Answer]:
        begin = self._stream.tell()
        self._server.answer(Request(str(folder.path), which, str(path), number, 40, 30))
        lines = self._stream.getvalue()[begin:].splitlines()
        return [msgspec.json.decode(line, type=Answer) for line in lines]


@pytest.fixture
def folder(train: Callable[..., Follower]) -> RunFolder:
    return train("training.epochs=1").folder


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    place = tmp_path / "photos"
    for name, size in (("b.png", (60, 30)), ("a.png", (8, 8)), ("inner/c.png", (300, 400))):
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", size, "white").save(place / name)
    (place / "text.jpg").write_text("text")
    (place / "notes.txt").touch()
    return place


def test_a_picture_and_its_neighbours(folder: RunFolder, photos: Path) -> None:
    answers = Answers()
    first, found = answers.ask(folder, photos / "b.png")
    assert (first.doing, first.top) == ("loading the network", ())
    assert (found.doing, found.problem) == ("", "")
    assert (found.path, found.number, found.count) == (str(photos / "b.png"), 1, 3)
    assert found.changes == "cropped to the middle, resized 60x30 to 8x8, converted to grey"
    (expected,) = predict(folder, [found.path], lambda *_: None, lambda _: None, top=10)
    assert [guess.name for guess in found.top] == [guess.name for guess in expected.top]
    assert [guess.probability for guess in found.top] == pytest.approx([guess.probability for guess in expected.top])
    assert answers.ask(folder, photos / "b.png", 2)[-1].problem == f"{photos / 'text.jpg'}: not an image"
    assert answers.ask(folder, photos / "b.png", 3)[-1].path == str(photos / "a.png")
    assert answers.ask(folder, photos / "b.png", -1)[-1].path == str(photos / "text.jpg")


def test_the_picture_has_the_requested_size(folder: RunFolder, photos: Path) -> None:
    answers = Answers()
    sizes = []
    for name in ("b.png", "a.png", "inner/c.png"):
        picture = answers.ask(folder, photos / name)[-1].picture
        assert picture is not None
        assert picture.pixels == b"\xff" * (picture.width * picture.height * 3)
        sizes.append((picture.width, picture.height))
    # Small pictures are enlarged by a whole number.
    assert sizes == [(40, 20), (24, 24), (22, 30)]


def test_the_pictures_below_a_folder(folder: RunFolder, photos: Path) -> None:
    answers = Answers()
    found = [answers.ask(folder, photos, number)[-1] for number in (None, 1, 2, 3)]
    assert [answer.path for answer in found] == [str(photos / f) for f in ("a.png", "b.png", "text.jpg", "inner/c.png")]
    assert {answer.count for answer in found} == {4}


def test_problems(folder: RunFolder, photos: Path, planted: Planted) -> None:
    answers = Answers()
    missing = answers.ask(folder, photos / "missing.png")[-1]
    assert missing.problem == f"{photos / 'missing.png'}: no such file or directory"
    (photos / "empty").mkdir()
    assert answers.ask(folder, photos / "empty")[-1].problem == f"{photos / 'empty'} is a folder without images."
    (folder.checkpoints / "best.safetensors").unlink()
    assert "best.safetensors is missing" in answers.ask(folder, photos / "a.png", which="best")[-1].problem
    assert answers.ask(folder, photos / "a.png")[-1].top
    received = planted.run(planted.model, copy=planted.file.read_bytes())
    problem = answers.ask(received, photos / "a.png")[-1].problem
    assert problem == f"You did not start run {received.id} here. Resume it, or run tuitrain predict with --trust once."
    assert not planted.ran.exists()


@pytest.fixture
def planted(tmp_path: Path) -> Planted:
    return Planted(tmp_path)
