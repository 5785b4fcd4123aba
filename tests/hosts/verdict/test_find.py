"""The verdict on a run whose baselines are missing, and on runs that have none."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from planted import Planted
from training.data.image_folders import classes_of
from tuitrain.analysis.verdict import Verdict
from tuitrain.errors import RunError, TrustError
from tuitrain.hosts.verdict import find
from tuitrain.hosts.verdict.find import find_verdict
from tuitrain.runs.baselines import FILE, stored_baselines
from tuitrain.runs.external.folder import ExternalFolder
from tuitrain.runs.external.format import Found
from tuitrain.runs.external.tensorboard.format import TENSORBOARD
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.follower import Follower

Train = Callable[..., Follower]
WriteRun = Callable[..., RunFolder]


def verdict_of(folder: RunFolder, said: list[str] | None = None) -> Verdict:
    return find_verdict(folder, "cpu", lambda what, _: said.append(what) if said is not None else None)


@pytest.fixture
def streamed(train: Train, tmp_path: Path) -> RunFolder:
    """A run whose images are read from files."""
    photos = classes_of(tmp_path / "photos", {"ant": 20, "bee": 30, "cow": 20})
    data = ("data.dataset=image-folder", f"data.dir={photos}", "data.image_size=8", "data.storage=stream")
    return train("model.hidden=8", "training.epochs=1", *data).folder


def test_missing_baselines_are_computed_once(streamed: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    assert stored_baselines(streamed) is None
    found = verdict_of(streamed)
    assert found.baselines is not None
    assert found.baselines == stored_baselines(streamed)
    sizes = streamed.info().sizes
    assert (found.baselines.training_images, found.baselines.images) == (sizes["train"], sizes["test"])
    assert found.images == sizes["test"]
    monkeypatch.setattr(find, "loaded", None)
    assert verdict_of(streamed) == found


def test_baselines_are_of_the_evaluated_split(streamed: RunFolder) -> None:
    first = verdict_of(streamed)
    for file in streamed.evaluations.glob("test*"):
        file.unlink()
    found = verdict_of(streamed)
    assert (first.split, found.split) == ("test", "validation")
    assert found.baselines is not None
    assert (found.baselines.split, found.baselines.images) == ("validation", streamed.info().sizes["validation"])


def test_other_images_are_not_compared(streamed: RunFolder, tmp_path: Path) -> None:
    (tmp_path / "photos" / "ant" / "new.png").write_bytes((tmp_path / "photos" / "bee" / "000.png").read_bytes())
    with pytest.raises(RunError, match="have changed since it was evaluated"):
        verdict_of(streamed)
    assert stored_baselines(streamed) is None


def test_a_folder_that_cannot_be_written_has_a_verdict(streamed: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(find, "write_baselines", fail)
    said: list[str] = []
    assert verdict_of(streamed, said).baselines is not None
    assert said[-1] == "the result cannot be stored in the run: Read-only file system"
    assert not (streamed.evaluations / FILE).exists()


def test_runs_without_a_verdict_say_why(write_run: WriteRun, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="is running"):
        verdict_of(write_run("active", status="running"))
    with pytest.raises(RunError, match="has no evaluation"):
        verdict_of(write_run("alone", evaluations=()))
    with pytest.raises(RunError, match="another tool's run"):
        verdict_of(ExternalFolder(TENSORBOARD, Found(tmp_path)))


def test_code_from_elsewhere_does_not_run(write_run: WriteRun, tmp_path: Path) -> None:
    planted = Planted(tmp_path)
    folder = planted.run(planted.model)
    other = write_run("evaluated")
    other.evaluations.rename(folder.evaluations)
    folder.checkpoints.mkdir(exist_ok=True)
    (folder.checkpoints / "last.safetensors").write_bytes(b"")
    state = msgspec.structs.replace(other.state(), process=None)
    folder.state_file.write_bytes(msgspec.json.encode(state))
    with pytest.raises(TrustError):
        verdict_of(folder)
    assert not planted.ran.exists()
