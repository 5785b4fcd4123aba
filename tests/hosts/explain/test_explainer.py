import io
import shutil
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from PIL import Image

from training.data.image_folders import classes_of
from tuitrain.errors import DataError, RunError, TrustError, TuitrainError
from tuitrain.hosts.explain import server as server_module
from tuitrain.hosts.explain.explained import Explained, SmallPicture, Source
from tuitrain.hosts.explain.explainer import opened
from tuitrain.hosts.explain.png import png_bytes
from tuitrain.hosts.explain.process import Answer, Request
from tuitrain.hosts.explain.server import _Server
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.follower import Follower

Train = Callable[..., Follower]
CNN = ("model.name=cnn", "model.channels=[4, 8]", "training.epochs=1")


def explainer_of(folder: RunFolder, *, trust: bool = False) -> Any:
    return opened(folder, "last", "cpu", lambda *_: None, trust=trust)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    counts = {"ant": 6, "bee": 6}
    classes_of(tmp_path / "photos" / "train", counts)
    classes_of(tmp_path / "photos" / "test", {"ant": 2, "bee": 2}, first=500)
    return tmp_path / "photos"


@pytest.fixture
def photo_run(photos: Path, train: Train) -> RunFolder:
    data = ("data.dataset=image-folder", f"data.dir={photos}", "data.image_size=8", "data.validation=0")
    return train(*CNN, *data, "data.augment=[flip, crop]", "data.storage=stream").folder


def test_an_explanation_agrees_with_the_evaluation(train: Train) -> None:
    folder = train(*CNN).folder
    evaluation = folder.evaluation("test")
    assert evaluation is not None
    predicted = np.frombuffer(evaluation.predicted, "<u2")
    sample = evaluation.worst[0]
    with explainer_of(folder) as explainer:
        found = explainer.explain(Source(index=sample.index), None, 64)
        assert (found.true, found.predicted) == (sample.true, sample.predicted)
        assert found.predicted == found.explained == predicted[sample.index]
        assert found.probability == pytest.approx(sample.probability, abs=1e-3)
        assert found.method == "Grad-CAM"
        assert {picture.height for picture in (found.picture, found.heated, found.heat)} == {16}
        other = explainer.explain(Source(index=sample.index), sample.true, 64)
        assert other.explained == sample.true
        assert other.heat != found.heat
        near = explainer.neighbours(Source(index=sample.index), 5, 16)
        similarities = [each.similarity for each in near]
        assert similarities == sorted(similarities, reverse=True)
        assert len({each.index for each in near}) == 5
        # A training image is most similar to itself, which is not worth saying.
        first = near[0]
        own = explainer.neighbours(Source("training", first.index), 5, 16)
        assert first.index not in {each.index for each in own}
        assert explainer.image(Source("training", first.index))[1] == first.label
        with pytest.raises(DataError, match=r"no image 360.*from 0 to 359"):
            explainer.explain(Source(index=360), None, 64)


def test_images_of_a_folder_have_names(photos: Path, photo_run: RunFolder) -> None:
    with explainer_of(photo_run) as explainer:
        by_index = explainer.explain(Source(index=2), None, 64)
        # The path counts, because unreadable images shift the indices.
        by_path = explainer.explain(Source(index=0, path="test/bee/000.png"), None, 64)
        assert by_index == by_path
        assert (by_path.name, by_path.true) == ("test/bee/000.png", 1)
        # A picture of the user is read as the run reads its images, but has no label.
        own = explainer.explain(Source(path=str(photos / "test" / "bee" / "000.png")), None, 64)
        assert (own.name, own.true, own.heat) == ("000.png", None, by_path.heat)
        near = explainer.neighbours(Source(path=str(photos / "train" / "ant" / "003.png")), 12, 8)
        assert near[0].file == "train/ant/003.png"
        assert near[0].similarity == pytest.approx(1, abs=1e-5)
        assert [each.file.split("/")[1] for each in near] == [("ant", "bee")[each.label] for each in near]
        assert len(near) == 12
        with pytest.raises(DataError, match="not among the test images"):
            explainer.explain(Source(index=0, path="test/bee/gone.png"), None, 64)
        with pytest.raises(DataError, match="cannot be read"):
            explainer.explain(Source(path=str(photos / "none.png")), None, 64)
    # The features come from the cache, so that no training image is read.
    with explainer_of(photo_run) as explainer:
        for path in (photos / "train").glob("*/*.png"):
            path.write_bytes(path.read_bytes()[:50])
        explainer.compare()


def data_gone(photos: Path, _: RunFolder) -> None:
    shutil.rmtree(photos)


def no_checkpoint(_: Path, folder: RunFolder) -> None:
    (folder.checkpoints / "last.safetensors").unlink()


def damaged(_: Path, folder: RunFolder) -> None:
    (folder.checkpoints / "last.safetensors").write_bytes(b"nothing")


@pytest.mark.parametrize(
    ("harm", "error", "words"),
    [(data_gone, DataError, "photos"), (no_checkpoint, RunError, "no checkpoint last"), (damaged, RunError, "damaged")],
)
def test_one_sentence_says_why_a_run_cannot_be_explained(
    photos: Path, photo_run: RunFolder, harm: Callable[..., None], error: type[TuitrainError], words: str
) -> None:
    harm(photos, photo_run)
    with pytest.raises(error, match=words), explainer_of(photo_run):
        pass


def test_code_from_elsewhere_must_be_allowed(train: Train, tmp_path: Path) -> None:
    file = tmp_path / "net.py"
    file.write_text(
        "from torch import nn\ndef net(classes, **_):\n    return nn.Sequential(nn.Flatten(), nn.LazyLinear(classes))\n"
    )
    folder = train(f"model.name={file}:net", "training.epochs=1").folder
    moved = RunFolder(folder.path.rename(folder.path.with_name("received")))
    with pytest.raises(TrustError), explainer_of(moved):
        pass
    with explainer_of(moved, trust=True) as explainer:
        assert explainer.explain(Source(index=0), None, 64).method == "input gradient"
        assert len(explainer.neighbours(Source(index=0), 3, 16)) == 3


PICTURE = SmallPicture(2, 3, 1, bytes(range(6)))


def explained(name: str) -> Explained:
    return Explained(name, "Grad-CAM", None, 0, 0, 0.5, PICTURE, PICTURE, PICTURE)


def test_a_png_shows_the_image_and_the_heat_side_by_side() -> None:
    hot = SmallPicture(2, 3, 3, bytes([200, 0, 0] * 6))
    found = Explained("", "Grad-CAM", None, 0, 0, 0.5, PICTURE, hot, PICTURE)
    sheet = Image.open(io.BytesIO(png_bytes(found)))
    assert sheet.size == (2 * 336 + 8, 224)
    assert sheet.getpixel((335, 0)) == (2, 2, 2)
    assert sheet.getpixel((344, 223)) == (200, 0, 0)


class FakeExplainer:
    """Compares with the training images in two steps; a request arrives before the second."""

    classes = ("ant",)

    def __init__(self, server: _Server, newer: Request | None) -> None:
        self.server, self.newer, self.compared = server, newer, 0

    def explain(self, source: Source, of: int | None, side: int) -> Explained:  # noqa: ARG002
        if source.path == "bad":
            raise RunError("This is no picture.")
        return explained(source.path)

    def compare(self) -> None:
        if self.newer is not None:
            self.server.add(self.newer)
        self.server._report("comparing", 0.5)
        self.compared += 1

    def neighbours(self, *_: object) -> list[Any]:
        return []


def answers_of(requests: list[Request], newer: Request | None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Answer]:
    out = io.BytesIO()
    server = _Server(out)
    monkeypatch.setattr(server_module, "INTERVAL", 0)
    monkeypatch.setattr(server, "_load", lambda request: load(server, request))
    fake = FakeExplainer(server, newer)

    def load(server: Any, request: Request) -> FakeExplainer:
        server._explainer, server._network = fake, (request.folder, request.which)
        return fake

    pending: deque[Request] = server._pending
    for request in requests:
        server.add(request)
    while pending:
        try:
            server._serve(pending.pop())
        except server_module._Superseded:
            fake.newer = None
    for line in out.getvalue().splitlines():
        yield msgspec.json.decode(line, type=Answer)


def test_the_newest_image_is_explained_while_the_training_images_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = (Request("run", "last", Source(path=name)) for name in ("first", "second"))
    found = [
        (each.request.source.path, each.explained and each.explained.name, each.is_final)
        for each in answers_of([first], second, monkeypatch)
    ]
    assert found == [
        ("first", None, False), ("first", "first", False), ("second", "second", False), ("second", "second", False),
        ("second", "second", True),
    ]  # fmt: skip


def test_a_request_for_another_network_ends_the_comparison(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = (Request(name, "last", Source(path=name)) for name in ("first", "second"))
    finals = [each.request.source.path for each in answers_of([first], second, monkeypatch) if each.is_final]
    assert finals == ["second"]


def test_a_newer_image_that_cannot_be_explained_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = (Request("run", "last", Source(path=name)) for name in ("first", "bad"))
    last = list(answers_of([first], second, monkeypatch))[-1]
    assert (last.request, last.problem) == (second, "This is no picture.")
