"""An attempt to train on that comes to nothing changes nothing of the run, and says why."""

import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from safetensors.torch import load_file, save_file

from tuitrain.cli import main
from tuitrain.config.schema import Config
from tuitrain.config.toml import dumps
from tuitrain.errors import RunError
from tuitrain.hosts.background import resume_in_background
from tuitrain.hosts.launch import RunSpec, create_run, resume_run, resume_stacked_runs
from tuitrain.hosts.sweeps.worker import Worker, WorkerResources
from tuitrain.runs.control import Inbox
from tuitrain.runs.folder import RunFolder, shown_status
from tuitrain.runs.follower import Follower
from tuitrain.runs.process import this_process
from tuitrain.runs.records import State
from tuitrain.runs.sweeps.folder import create as create_sweep
from tuitrain.runs.sweeps.index import SweepIndex
from tuitrain.runs.sweeps.records import Job
from tuitrain.training import checkpoint

Quick = Callable[..., Config]
Read = Callable[[RunFolder], Follower]


def new(config: Config, tmp_path: Path) -> RunFolder:
    return create_run(RunSpec(config=config, runs_dir=tmp_path / "runs"))


def train(folder: RunFolder, epochs: int | None = None) -> State:
    return resume_run(folder, lambda *_: None, Inbox(folder), epochs)


@pytest.fixture
def finished(quick: Quick, tmp_path: Path) -> RunFolder:
    folder = new(quick("training.epochs=2"), tmp_path)
    assert train(folder).status == "finished"
    return folder


def last(folder: RunFolder) -> Path:
    return folder.checkpoints / "last.safetensors"


def kept(folder: RunFolder) -> tuple[object, ...]:
    """What a run came to; not who wrote it last, when, and why it was not trained on."""
    state = msgspec.structs.replace(folder.state(), heartbeat=0.0, process=None, not_continued="")
    files = (folder.info_file, folder.metrics_file, *sorted(folder.evaluations.iterdir()))
    return shown_status(folder.state()), state, [path.read_bytes() for path in files]


def empty(folder: RunFolder) -> None:
    last(folder).write_bytes(b"")


def cut_short(folder: RunFolder) -> None:
    last(folder).write_bytes(last(folder).read_bytes()[:1000])


def flipped(folder: RunFolder) -> None:
    content = last(folder).read_bytes()
    last(folder).write_bytes(bytes(255 - byte for byte in content[:64]) + content[64:])


def a_folder(folder: RunFolder) -> None:
    last(folder).unlink()
    last(folder).mkdir()


def without_metadata(folder: RunFolder) -> None:
    save_file(load_file(last(folder)), last(folder))


def without_generators(folder: RunFolder) -> None:
    checkpoint.save(last(folder), checkpoint.load(last(folder)) | {"rng": None})


DAMAGES: dict[Callable[[RunFolder], None], str] = {
    empty: "is damaged",
    cut_short: "is damaged",
    flipped: "is damaged",
    a_folder: "is missing in",
    without_metadata: "is damaged",
    without_generators: "does not fit this run",
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_checkpoint_costs_a_finished_run_nothing(
    finished: RunFolder, capsys: pytest.CaptureFixture[str], damage: Callable[[RunFolder], None]
) -> None:
    before = kept(finished)
    shutil.copy(last(finished), good := finished.path / "good")
    damage(finished)
    assert main(["resume", str(finished.path), "--epochs", "+1"]) == 2
    (said,) = (line for line in capsys.readouterr().err.splitlines() if line.startswith("tuitrain: "))
    assert DAMAGES[damage] in said
    assert kept(finished) == before
    assert finished.state().not_continued == said.removeprefix("tuitrain: ")
    assert f"not trained on: {finished.state().not_continued}" in finished.log_file.read_text()
    assert not (finished.path / "owner.json").exists()

    if last(finished).is_dir():
        last(finished).rmdir()
    good.rename(last(finished))
    state = train(finished, 3)
    assert (state.status, state.epoch, state.not_continued) == ("finished", 3, "")


def test_another_network_in_the_settings_leaves_what_the_run_was_made_with(finished: RunFolder, quick: Quick) -> None:
    before = kept(finished)[:2], finished.info_file.read_bytes()
    finished.config_file.write_text(dumps(quick("model.hidden=[7]")))
    with pytest.raises(RunError, match="another model's weights"):
        train(finished, 3)
    assert (kept(finished)[:2], finished.info_file.read_bytes()) == before


def ended(folder: RunFolder, status: str) -> None:
    """Rewritten as that; interrupted is a run whose process is gone."""
    gone = msgspec.structs.replace(this_process(), born=1.0)
    state = msgspec.structs.replace(folder.state(), reason="Because.", process=gone)
    state.status, state.ended = ("running", None) if status == "interrupted" else (status, 5.0)  # type: ignore[assignment]
    folder.state_file.write_bytes(msgspec.json.encode(state))
    assert shown_status(state) == status


@pytest.mark.parametrize("status", ["stopped", "failed", "interrupted"])
def test_a_run_stays_what_it_was(finished: RunFolder, status: str) -> None:
    ended(finished, status)
    before = kept(finished)
    empty(finished)
    with pytest.raises(RunError, match="is damaged"):
        train(finished, 3)
    assert kept(finished) == before
    assert finished.state().not_continued


def test_data_that_is_gone(quick: Quick, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("def same(images):\n    return images\n")
    folder = new(quick(f"data.transform={tmp_path}/mine.py:same", "training.epochs=1"), tmp_path)
    train(folder)
    before = kept(folder)
    (tmp_path / "mine.py").unlink()
    with pytest.raises(RunError, match=r"mine\.py of data\.transform cannot be read"):
        train(folder, 2)
    assert kept(folder) == before


STOPS_AT = """
import pathlib
def change(images):
    left = pathlib.Path(__file__).with_name("left")
    steps = int(left.read_text())
    left.write_text(str(steps - 1))
    return images if steps else images / no_such_name
"""


@pytest.mark.parametrize("steps", [0, 1])
def test_only_a_first_step_makes_it_a_failure(quick: Quick, tmp_path: Path, steps: int) -> None:
    (tmp_path / "mine.py").write_text(STOPS_AT)
    (tmp_path / "left").write_text("1000")
    folder = new(quick(f"data.transform={tmp_path}/mine.py:change", "training.epochs=1"), tmp_path)
    train(folder)
    (tmp_path / "left").write_text(str(steps))
    if steps:
        state = train(folder, 2)
        assert (state.status, state.not_continued) == ("failed", "")
        assert "no_such_name" in state.reason
    else:
        before = kept(folder)[:2]
        with pytest.raises(RunError, match="no_such_name"):
            train(folder, 2)
        assert kept(folder)[:2] == before
        assert "Traceback" in folder.log_file.read_text()
    (tmp_path / "left").write_text("1000")
    assert train(folder, 2).status == "finished"


def test_a_process_of_its_own_leaves_the_run_as_it_was(finished: RunFolder) -> None:
    before = kept(finished)
    cut_short(finished)
    # It holds the run before it loads torch; what became of it stands there at its end.
    resume_in_background(finished, 3)
    while finished.state().active:
        assert shown_status(finished.state()) != "interrupted"
    assert kept(finished) == before
    assert "is damaged" in finished.state().not_continued


def test_of_runs_that_are_trained_together_the_others_go_on(quick: Quick, tmp_path: Path) -> None:
    folders = [new(quick("training.epochs=2", f"training.seed={seed}"), tmp_path) for seed in range(3)]
    for folder in folders[:2]:
        train(folder)
        ended(folder, "interrupted")
    empty(folders[0])
    before, states = kept(folders[0]), {}
    with pytest.raises(RunError, match="is damaged"):
        resume_stacked_runs(
            [(folder, Inbox(folder)) for folder in folders], lambda folder, state: states.update({folder.id: state})
        )
    assert kept(folders[0]) == before
    assert {folder: state.status for folder, state in states.items()} == dict.fromkeys(
        (folder.id for folder in folders[1:]), "finished"
    )


SWEEP = """
[training]
epochs = 1
device = "cpu"
threads = 1
[sweep]
seeds = 2
[sweep.values]
"optimizer.lr" = [0.1, 0.01]
"""


@pytest.mark.parametrize("stack", [1, 4])
def test_a_sweep_gives_up_a_run_that_cannot_go_on(tmp_path: Path, stack: int) -> None:
    sweep = create_sweep(tmp_path / "runs", SWEEP)
    Worker(sweep, WorkerResources(), stack=stack).work()
    for number in range(2):
        run = sweep.run(Job(0, number))
        assert run is not None
        ended(run, "interrupted")
        if number:
            empty(run)
    Worker(sweep, WorkerResources(), stack=stack).work()
    outcomes = {one.job: one for one in SweepIndex(sweep).refresh()}
    assert all(one.done for one in outcomes.values())
    assert outcomes[Job(0, 0)].status == "finished"
    assert outcomes[Job(0, 1)].status == "failed"
    assert "is damaged" in outcomes[Job(0, 1)].problem


@pytest.mark.parametrize("detach", [(), ("--detach",)])
@pytest.mark.parametrize("status", ["finished", "interrupted"])
def test_without_its_checkpoint_a_run_is_not_begun_anew(
    finished: RunFolder, capsys: pytest.CaptureFixture[str], status: str, detach: tuple[str, ...]
) -> None:
    if status != "finished":
        ended(finished, status)
    last(finished).unlink()
    before = {path: path.read_bytes() for path in finished.path.rglob("*") if path.is_file()}
    assert main(["resume", str(finished.path), "--epochs", "+1", *detach]) == 2
    assert capsys.readouterr().err == (
        f"tuitrain: The run has trained {finished.state().step} steps, but its checkpoint checkpoints/last.safetensors"
        f" is missing. Start a new run with its settings: tuitrain train -c {finished.config_file}\n"
    )
    assert {path: path.read_bytes() for path in finished.path.rglob("*") if path.is_file()} == before


class Killed(BaseException):
    pass


def test_killed_before_its_first_checkpoint_it_begins_at_the_beginning(
    quick: Quick, read: Read, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = new(quick("training.epochs=1"), tmp_path)

    def die(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "save", die)
        with pytest.raises(Killed):
            train(folder)
    state = msgspec.structs.replace(folder.state(), process=msgspec.structs.replace(this_process(), born=1.0))
    folder.state_file.write_bytes(msgspec.json.encode(state))
    assert shown_status(state) == "interrupted"
    assert train(folder).status == "finished"
    assert any("no checkpoint yet, starting from the beginning" in line for line in read(folder).log)


def test_a_new_run_says_nothing_of_checkpoints(finished: RunFolder) -> None:
    assert "no checkpoint yet" not in finished.log_file.read_text()
