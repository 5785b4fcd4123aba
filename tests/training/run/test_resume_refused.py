"""A run that cannot be resumed stays as it was, except for the reason."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from safetensors.torch import load_file, save_file

from conftest import QUICK
from tuitrain.cli import main
from tuitrain.config.schema import Config
from tuitrain.config.toml import dumps
from tuitrain.config.values import override
from tuitrain.errors import RunError
from tuitrain.hosts.background import resume_in_background
from tuitrain.hosts.launch import RunSpec, create_run, resume_run, resume_stacked_runs
from tuitrain.hosts.resources import WorkerResources
from tuitrain.hosts.sweeps.worker import Worker
from tuitrain.runs.control import Inbox
from tuitrain.runs.folder import RunFolder, shown_status
from tuitrain.runs.follower import Follower
from tuitrain.runs.process import this_process
from tuitrain.runs.records import State
from tuitrain.runs.sweeps.catalog import create_sweep
from tuitrain.runs.sweeps.index import SweepIndex
from tuitrain.runs.sweeps.records import Job
from tuitrain.training import checkpoint

Quick = Callable[..., Config]
Read = Callable[[RunFolder], Follower]


def create(config: Config, tmp_path: Path) -> RunFolder:
    return create_run(RunSpec(config=config, runs_dir=tmp_path / "runs"))


def train(folder: RunFolder, epochs: int | None = None) -> State:
    return resume_run(folder, lambda *_: None, Inbox(folder), epochs)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    folder = create(override(Config(), (*QUICK, "training.epochs=2")), tmp_path_factory.mktemp("trained"))
    assert train(folder).status == "finished"
    return folder


@pytest.fixture
def finished(trained: RunFolder, tmp_path: Path) -> RunFolder:
    """A copy of a finished run."""
    return RunFolder(Path(shutil.copytree(trained.path, tmp_path / "runs" / trained.id)))


def checkpoint_file(folder: RunFolder) -> Path:
    return folder.checkpoints / "last.safetensors"


def results(folder: RunFolder) -> tuple[object, ...]:
    """Return the run's results, without the last writer, its time, and the reason for not resuming."""
    state = msgspec.structs.replace(folder.state(), heartbeat=0.0, process=None, not_continued="")
    files = (folder.info_file, folder.metrics_file, *sorted(folder.evaluations.iterdir()))
    return shown_status(folder.state()), state, [path.read_bytes() for path in files]


def truncate_to_nothing(folder: RunFolder) -> None:
    checkpoint_file(folder).write_bytes(b"")


def truncate(folder: RunFolder) -> None:
    checkpoint_file(folder).write_bytes(checkpoint_file(folder).read_bytes()[:1000])


def flip_header(folder: RunFolder) -> None:
    content = checkpoint_file(folder).read_bytes()
    checkpoint_file(folder).write_bytes(bytes(255 - byte for byte in content[:64]) + content[64:])


def replace_by_folder(folder: RunFolder) -> None:
    checkpoint_file(folder).unlink()
    checkpoint_file(folder).mkdir()


def drop_metadata(folder: RunFolder) -> None:
    save_file(load_file(checkpoint_file(folder)), checkpoint_file(folder))


def drop_rng_state(folder: RunFolder) -> None:
    checkpoint.save(checkpoint_file(folder), checkpoint.load(checkpoint_file(folder)) | {"rng": None})


DAMAGES: dict[Callable[[RunFolder], None], str] = {
    truncate_to_nothing: "is damaged",
    truncate: "is damaged",
    flip_header: "is damaged",
    replace_by_folder: "is missing in",
    drop_metadata: "is damaged",
    drop_rng_state: "does not fit this run",
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_checkpoint_leaves_a_finished_run_unchanged(
    finished: RunFolder, capsys: pytest.CaptureFixture[str], damage: Callable[[RunFolder], None]
) -> None:
    before = results(finished)
    shutil.copy(checkpoint_file(finished), good := finished.path / "good")
    damage(finished)
    assert main(["resume", str(finished.path), "--epochs", "+1"]) == 2
    (message,) = (line for line in capsys.readouterr().err.splitlines() if line.startswith("tuitrain: "))
    assert DAMAGES[damage] in message
    assert results(finished) == before
    assert finished.state().not_continued == message.removeprefix("tuitrain: ")
    assert f"not resumed: {finished.state().not_continued}" in finished.log_file.read_text()
    assert not (finished.path / "owner.json").exists()

    if checkpoint_file(finished).is_dir():
        checkpoint_file(finished).rmdir()
    good.rename(checkpoint_file(finished))
    state = train(finished, 3)
    assert (state.status, state.epoch, state.not_continued) == ("finished", 3, "")


def test_settings_of_another_model_leave_the_run_unchanged(finished: RunFolder, quick: Quick) -> None:
    before = results(finished)[:2], finished.info_file.read_bytes()
    finished.config_file.write_text(dumps(quick("model.hidden=[7]")))
    with pytest.raises(RunError, match="another model's weights"):
        train(finished, 3)
    assert (results(finished)[:2], finished.info_file.read_bytes()) == before


def set_status(folder: RunFolder, status: str) -> None:
    """Rewrite the state; an interrupted run is a running one whose process is gone."""
    dead = msgspec.structs.replace(this_process(), born=1.0)
    state = msgspec.structs.replace(folder.state(), reason="Because.", process=dead)
    state.status, state.ended = ("running", None) if status == "interrupted" else (status, 5.0)  # type: ignore[assignment]
    folder.state_file.write_bytes(msgspec.json.encode(state))
    assert shown_status(state) == status


@pytest.mark.parametrize("status", ["stopped", "failed", "interrupted"])
def test_an_ended_run_keeps_its_status(finished: RunFolder, status: str) -> None:
    set_status(finished, status)
    before = results(finished)
    truncate_to_nothing(finished)
    with pytest.raises(RunError, match="is damaged"):
        train(finished, 3)
    assert results(finished) == before
    assert finished.state().not_continued


def test_missing_user_function(quick: Quick, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("def same(images):\n    return images\n")
    folder = create(quick(f"data.transform={tmp_path}/mine.py:same", "training.epochs=1"), tmp_path)
    train(folder)
    before = results(folder)
    (folder.code / "mine.py").unlink()
    with pytest.raises(RunError, match=r"mine\.py is missing"):
        train(folder, 2)
    assert results(folder) == before


STOPS_AT = """
import pathlib
def change(images):
    left = pathlib.Path(__file__).with_name("left")
    steps = int(left.read_text())
    left.write_text(str(steps - 1))
    return images if steps else images / no_such_name
"""


@pytest.mark.parametrize("steps", [0, 1])
def test_a_resumed_run_fails_only_after_its_first_step(quick: Quick, tmp_path: Path, steps: int) -> None:
    (tmp_path / "mine.py").write_text(STOPS_AT)
    (tmp_path / "left").write_text("1000")
    folder = create(quick(f"data.transform={tmp_path}/mine.py:change", "training.epochs=1"), tmp_path)
    train(folder)
    (tmp_path / "left").write_text(str(steps))
    if steps:
        state = train(folder, 2)
        assert (state.status, state.not_continued) == ("failed", "")
        assert "no_such_name" in state.reason
    else:
        before = results(folder)[:2]
        with pytest.raises(RunError, match="no_such_name"):
            train(folder, 2)
        assert results(folder)[:2] == before
        assert "Traceback" in folder.log_file.read_text()
    (tmp_path / "left").write_text("1000")
    assert train(folder, 2).status == "finished"


def test_a_background_process_leaves_the_run_unchanged(finished: RunFolder) -> None:
    before = results(finished)
    truncate(finished)
    # The process owns the run before it imports torch, and restores the state when it fails.
    resume_in_background(finished, 3)
    while finished.state().active:
        assert shown_status(finished.state()) != "interrupted"
        time.sleep(0.01)
    assert results(finished) == before
    assert "is damaged" in finished.state().not_continued


def test_other_runs_of_a_stack_continue(quick: Quick, tmp_path: Path) -> None:
    folders = [create(quick("training.epochs=2", f"training.seed={seed}"), tmp_path) for seed in range(3)]
    for folder in folders[:2]:
        train(folder)
        set_status(folder, "interrupted")
    truncate_to_nothing(folders[0])
    before, states = results(folders[0]), {}
    with pytest.raises(RunError, match="is damaged"):
        resume_stacked_runs(
            [(folder, Inbox(folder)) for folder in folders], lambda folder, state: states.update({folder.id: state})
        )
    assert results(folders[0]) == before
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
def test_a_sweep_fails_a_trial_that_cannot_be_resumed(tmp_path: Path, stack: int) -> None:
    sweep = create_sweep(tmp_path / "runs", SWEEP)
    Worker(sweep, WorkerResources(), stack=stack).run()
    for number in range(2):
        run = sweep.run(Job(0, number))
        assert run is not None
        set_status(run, "interrupted")
        if number:
            truncate_to_nothing(run)
    Worker(sweep, WorkerResources(), stack=stack).run()
    outcomes = {outcome.job: outcome for outcome in SweepIndex(sweep).refresh()}
    assert all(outcome.done for outcome in outcomes.values())
    assert outcomes[Job(0, 0)].status == "finished"
    assert outcomes[Job(0, 1)].status == "failed"
    assert "is damaged" in outcomes[Job(0, 1)].problem


@pytest.mark.parametrize("detach", [(), ("--detach",)])
@pytest.mark.parametrize("status", ["finished", "interrupted"])
def test_a_run_without_its_checkpoint_is_not_restarted(
    finished: RunFolder, capsys: pytest.CaptureFixture[str], status: str, detach: tuple[str, ...]
) -> None:
    if status != "finished":
        set_status(finished, status)
    checkpoint_file(finished).unlink()
    before = {path: path.read_bytes() for path in finished.path.rglob("*") if path.is_file()}
    assert main(["resume", str(finished.path), "--epochs", "+1", *detach]) == 2
    assert capsys.readouterr().err == (
        f"tuitrain: The run has trained {finished.state().step} steps, but its checkpoint checkpoints/last.safetensors"
        f" is missing. Start a new run with its settings: tuitrain train -c {finished.config_file}\n"
    )
    assert {path: path.read_bytes() for path in finished.path.rglob("*") if path.is_file()} == before


class Killed(BaseException):
    pass


def test_a_run_killed_before_its_first_checkpoint_starts_again(
    quick: Quick, read: Read, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = create(quick("training.epochs=1"), tmp_path)

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


def test_the_log_of_a_new_run_mentions_no_checkpoint(finished: RunFolder) -> None:
    assert "no checkpoint yet" not in finished.log_file.read_text()
