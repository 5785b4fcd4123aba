import io
import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from planted import Planted
from training.data.image_folders import classes_of
from tuitrain.errors import ConfigError, RunError, TrustError
from tuitrain.hosts.preview.report import Answer, Request
from tuitrain.hosts.robustness import server
from tuitrain.hosts.robustness.evaluate import evaluate_robustness
from tuitrain.runs.follower import Follower
from tuitrain.runs.robustness import Robustness, read_robustness
from tuitrain.runs.writer import encode_pretty

Train = Callable[..., Follower]
SMALL = ("model.hidden=4", "training.epochs=1", "data.validation=0")


def test_results_are_stored_unless_the_weights_or_the_images_are_not_those_of_the_run(
    train: Train, tmp_path: Path
) -> None:
    photos = classes_of(tmp_path / "photos", {"ant": 20, "bee": 20})
    data = ("data.dataset=image-folder", f"data.dir={photos}", "data.image_size=8")
    folder, said = train(*SMALL, *data).folder, list[str]()

    def robustness() -> Robustness:
        said.clear()
        return evaluate_robustness(folder, "test", "", "cpu", lambda what, _: said.append(what))

    own = robustness()
    assert own.checkpoint == "last"
    assert read_robustness(folder) == {"test": own}
    state = folder.state()
    folder.state_file.write_bytes(encode_pretty(msgspec.structs.replace(state, status="queued", heartbeat=2e9)))
    active = robustness()
    assert active.clean == own.clean
    assert "the result is not stored: the run is active, so its weights change" in said
    folder.state_file.write_bytes(encode_pretty(state))
    shutil.copy(photos / "ant" / "000.png", photos / "bee" / "new.png")
    other = robustness()
    assert other.fingerprint != own.fingerprint
    assert "the result is not stored: these are not the test images of the run" in said
    assert read_robustness(folder) == {"test": own}


def test_refusals_are_one_sentence(train: Train, tmp_path: Path) -> None:
    folder = train(*SMALL).folder
    for split, which, device, error, reason in (
        ("validation", "", "cpu", ConfigError, "has no validation split"),
        ("test", "best", "cpu", RunError, "best.safetensors"),
        ("test", "", "gpu", ConfigError, "training.device"),
    ):
        with pytest.raises(error, match=reason):
            evaluate_robustness(folder, split, which, device, lambda *_: None)  # type: ignore[arg-type]
    planted = Planted(tmp_path)
    with pytest.raises(TrustError):
        evaluate_robustness(planted.run(planted.model), "test", "", "cpu", lambda *_: None)
    assert not planted.ran.exists()


def test_a_process_answers_with_progress_and_the_result(train: Train, tmp_path: Path) -> None:
    folder, planted = train(*SMALL).folder, Planted(tmp_path)
    paths = [folder.path, planted.run(planted.model).path]
    requests = b"".join(msgspec.json.encode(Request(str(path), "")) + b"\n" for path in paths)
    out = io.BytesIO()
    server.serve(io.BytesIO(requests), out)
    first, *_, last, refused = [
        msgspec.json.decode(line, type=Answer[Robustness]) for line in out.getvalue().splitlines()
    ]
    assert first.doing
    assert last == Answer(report=read_robustness(folder)["test"])
    assert "tuitrain robustness with --trust" in refused.problem
