"""Code from elsewhere does not run before the user has allowed it."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec import structs

from planted import SWEEP, Planted, call
from tuitrain.config.code import LARGEST_FILE, Code, code_of, sha256
from tuitrain.config.toml import dumps
from tuitrain.errors import DataError, RunError, TrustError
from tuitrain.hosts import trust
from tuitrain.hosts.background import resume_in_background
from tuitrain.hosts.evaluate import evaluate_checkpoint
from tuitrain.hosts.export import export
from tuitrain.hosts.launch import RunSpec, create_run, resume_run, resume_stacked_runs
from tuitrain.runs.control import Inbox
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.follower import Follower
from tuitrain.runs.writer import encode_pretty
from tuitrain.training import user_code

Train = Callable[..., Follower]


def resume(folder: RunFolder, key: str = "") -> str:
    return resume_run(folder, lambda *_: None, Inbox(folder), allowed_key=key).status


@pytest.mark.parametrize(
    "arguments",
    [
        ("resume",),
        ("resume", "--detach"),
        ("evaluate",),
        ("export", "--format", "onnx", "-o", "out.onnx"),
        ("export", "--format", "torch-export", "-o", "out.pt2"),
    ],
    ids=" ".join,
)
def test_commands_refuse_the_network_of_a_received_run(
    planted: Planted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = planted.run(planted.model, copy=planted.file.read_bytes())
    with pytest.raises(
        TrustError, match=r"did not start run .*--trust .*: runs \S+planted\.py:Net to build the network"
    ):
        call(*arguments, folder.path)
    assert not planted.ran.exists()


def test_weights_of_a_received_run_are_exported_without_its_code(planted: Planted, tmp_path: Path) -> None:
    folder = planted.run(planted.model, copy=planted.file.read_bytes())
    assert resume(folder, trust.check_run(folder, trust=True)[0]) == "finished"
    planted.ran.unlink()
    user_code._modules.clear()
    for entry in Path(os.environ["XDG_STATE_HOME"]).glob("tuitrain/trusted/*.json"):
        entry.unlink()
    check = export(folder, "safetensors", tmp_path / "net.safetensors").check
    assert check.startswith("checked that all 2 tensors equal those of the run; the network was not run: You did not")
    assert not planted.ran.exists()
    trusted = export(folder, "safetensors", tmp_path / "net.safetensors", force=True, trust=True).check
    assert trusted.startswith("checked on 256 test images: same class for all")
    assert planted.ran.exists()


def test_evaluating_with_trust_allows_the_network(planted: Planted) -> None:
    folder = planted.run(planted.model, copy=planted.file.read_bytes())
    planted.file.unlink()
    key, _ = trust.check_run(folder, trust=True)
    assert resume(folder, key) == "finished"
    planted.ran.unlink()
    user_code._modules.clear()
    for entry in Path(os.environ["XDG_STATE_HOME"]).glob("tuitrain/trusted/*.json"):
        entry.unlink()
    with pytest.raises(TrustError):
        call("evaluate", folder.path)
    assert call("evaluate", folder.path, "--trust") == 0
    assert planted.ran.exists()


@pytest.mark.parametrize("arguments", [("resume",), ("resume", "--detach")])
def test_the_command_refuses_the_transform_of_a_received_run(planted: Planted, arguments: tuple[str, ...]) -> None:
    folder = planted.run(planted.transform)
    before = {path: path.read_bytes() for path in folder.path.iterdir() if path.is_file()}
    with pytest.raises(TrustError) as caught:
        call(*arguments, folder.path)
    assert str(caught.value) == (
        f"You did not start run {folder.id} here; add --trust to allow this code: "
        f"runs {planted.file}:same on each training batch."
    )
    assert caught.value.exit_code == 2
    assert not planted.ran.exists()
    assert {path: path.read_bytes() for path in folder.path.iterdir() if path.is_file()} == before


def test_a_run_from_elsewhere_trains_without_its_command(planted: Planted) -> None:
    folder = planted.run(planted.command)
    assert resume(folder) == "finished"
    assert not planted.ran.exists()
    assert f"notify.command does not run, because you did not start this run here (--trust allows it): touch {planted.ran}" in folder.log_file.read_text()  # noqa: E501  # fmt: skip


@pytest.mark.parametrize("code", ["transform", "model", "command"])
def test_trusted_code_runs_and_is_named_before(planted: Planted, code: str) -> None:
    folder = planted.run(getattr(planted, code))
    user_code._modules.clear()
    key, lines = trust.check_run(folder, trust=True)
    assert resume(folder, key) == "finished"
    assert planted.ran.exists()
    assert lines[0] in folder.log_file.read_text().splitlines()[0]
    # From now on this user's runs folder and state folder agree, without the key.
    assert trust.check_run(folder) == (key, lines)


def test_a_background_process_refuses_a_received_run(planted: Planted) -> None:
    folder = planted.run(planted.transform, planted.command)
    with pytest.raises(RunError, match=r"You did not start run .* here"):
        resume_in_background(folder)
    assert not planted.ran.exists()


def test_runs_that_train_stacked_drop_their_commands(planted: Planted) -> None:
    folders = [planted.run(planted.command, f"training.seed={seed}") for seed in range(2)]
    statuses: list[str] = []
    resume_stacked_runs([(folder, Inbox(folder)) for folder in folders], lambda _, state: statuses.append(state.status))
    assert statuses == ["finished", "finished"]
    assert not planted.ran.exists()
    assert all("notify.command does not run" in folder.log_file.read_text() for folder in folders)


def test_evaluating_a_received_run_runs_nothing(planted: Planted, train: Train) -> None:
    folder = train("training.epochs=1").folder
    folder.config_file.write_text(dumps(planted.config(planted.transform, planted.command, "model.hidden=[128, 256]")))
    assert evaluate_checkpoint(folder, "test", "last", "cpu", lambda *_: None).split == "test"
    assert not planted.ran.exists()


@pytest.mark.parametrize("command", ["train", "sweep"])
@pytest.mark.parametrize("code", ["transform", "model", "command"])
@pytest.mark.parametrize("detach", [(), ("--detach",)])
def test_settings_in_a_file_are_refused_until_trusted(
    planted: Planted, command: str, code: str, detach: tuple[str, ...]
) -> None:
    file = planted.toml(getattr(planted, code), sweep=SWEEP.format("") if command == "sweep" else "")
    runs = planted.folder / "runs"
    with pytest.raises(
        TrustError, match=r"You have not allowed the code of .*theirs\.toml yet; add --trust to allow this code: runs "
    ):
        call(command, "-c", file, "--runs-dir", runs, "--set", "training.seed=1", *detach)
    assert not planted.ran.exists()
    assert not runs.exists()


def test_what_the_user_types_needs_no_trust(planted: Planted, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[RunSpec] = []

    def start(spec: RunSpec) -> RunFolder:
        started.append(spec)
        return planted.run()

    monkeypatch.setattr("tuitrain.cli.commands.train.start_in_background", start)
    file = planted.toml(planted.command)
    call("train", "--detach", "--set", planted.transform)
    call("train", "--detach", "-c", file, "--set", "notify.command=true", "--set", planted.transform)
    call("train", "--detach", "-c", file, "--set", "notify.command=none")
    with pytest.raises(TrustError):
        call("train", "--detach", "-c", file, "--set", planted.transform)
    call("train", "--detach", "-c", file, "--trust")
    # Once is enough, for this file with this code.
    call("train", "--detach", "-c", file, "--set", "optimizer.lr=0.1")
    assert len(started) == 5
    file.write_text(file.read_text().replace("touch", "touch -a"))
    with pytest.raises(TrustError, match="touch -a"):
        call("train", "--detach", "-c", file)
    other = file.with_name("other.toml")
    other.write_text(file.read_text().replace("touch -a", "touch"))
    with pytest.raises(TrustError, match=r"other\.toml"):
        call("train", "--detach", "-c", other)


def test_a_run_started_here_is_trusted_with_this_code_only(planted: Planted, tmp_path: Path) -> None:
    config = planted.config(planted.transform, planted.command)
    folder = create_run(RunSpec(config=config, runs_dir=tmp_path / "runs"))
    key, _ = trust.check_run(folder)
    assert key == trust.code_key(trust.config_code(config))
    # Another command in its folder is not allowed.
    folder.config_file.write_text(dumps(planted.config(planted.transform, "notify.command=true")))
    assert trust.check_run(folder)[0] == ""
    # Nor is it for a process that was allowed to run the former one.
    _, refused = trust.split_code(folder, folder.config(), key)
    assert [item.value for item in refused] == ["true"]
    folder.config_file.write_text(dumps(config))
    # The run has a copy of the file, which may change.
    planted.file.write_text("raise SystemExit\n")
    assert trust.check_run(folder)[0] == key
    # Nor is another content of the copy, even if run.json agrees with it, nor for a process that was allowed to run it.
    copy = folder.code / "planted.py"
    copy.write_text(copy.read_text() + "# changed\n")
    with pytest.raises(RunError, match=r"code/planted\.py is not the code that the run was trained with"):
        trust.check_run(folder)
    info = folder.info()
    info.code = [structs.replace(info.code[0], sha256=sha256(copy.read_bytes()))]
    folder.info_file.write_bytes(encode_pretty(info))
    for refuse in (lambda: trust.check_run(folder), lambda: resume(folder, key)):
        with pytest.raises(TrustError, match=r"planted\.py has changed since you allowed it for run "):
            refuse()
    assert not planted.ran.exists()


def test_a_run_continues_on_its_copy_and_reports_the_change(planted: Planted, tmp_path: Path) -> None:
    folder = create_run(RunSpec(config=planted.config(planted.transform), runs_dir=tmp_path / "runs"))
    planted.file.write_text("raise SystemExit\n")
    assert resume(folder) == "finished"
    assert planted.ran.exists()
    note = f"{planted.file} has changed since the run began: the run uses its copy, code/planted.py"
    assert note in folder.log_file.read_text()
    assert note in folder.metrics_file.read_text()


def test_a_run_folder_works_elsewhere_with_trust(
    planted: Planted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = create_run(RunSpec(config=planted.config(planted.transform), runs_dir=tmp_path / "runs"))
    planted.file.unlink()
    moved = RunFolder(shutil.copytree(folder.path, tmp_path / "server" / folder.id))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "another user"))
    with pytest.raises(TrustError, match="You did not start run"):
        resume(moved)
    key, _ = trust.check_run(moved, trust=True)
    assert resume(moved, key) == "finished", moved.state().reason
    assert planted.ran.exists()


def test_the_register_belongs_to_the_user(planted: Planted, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = create_run(RunSpec(config=planted.config(planted.transform), runs_dir=tmp_path / "runs"))
    trust.check_run(folder)
    copy = folder.path.rename(folder.path.with_name("copied"))
    with pytest.raises(TrustError):
        trust.check_run(RunFolder(copy))
    back = RunFolder(copy.rename(folder.path))
    trust.check_run(back)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "another user"))
    with pytest.raises(TrustError):
        trust.check_run(back)


def test_a_register_that_cannot_be_a_folder_is_reported(planted: Planted, tmp_path: Path) -> None:
    Path(os.environ["XDG_STATE_HOME"]).touch()
    folder = create_run(RunSpec(config=planted.config(planted.command), runs_dir=tmp_path / "runs"))
    assert "resuming the run will need --trust, because " in folder.log_file.read_text()
    assert trust.check_run(folder)[0] == ""


def test_damaged_entries_allow_nothing(planted: Planted, tmp_path: Path) -> None:
    folder = create_run(RunSpec(config=planted.config(planted.command), runs_dir=tmp_path / "runs"))
    (entry,) = Path(os.environ["XDG_STATE_HOME"]).glob("tuitrain/trusted/*.json")
    for content in (b"", b"{}", entry.read_bytes().replace(b"touch", b"toucj"), b"[" * 100_000):
        entry.write_bytes(content)
        assert trust.check_run(folder)[0] == ""


def test_long_code_is_named_to_its_end() -> None:
    code = Code("notify.command", f"echo done{' ' * 5000}; evil\x1b[2J")
    assert str(code) == "runs at the end: echo done ; evil\ufffd[2J (5,019 characters)"
    assert str(Code("notify.command", "x" * 2000)).endswith("x… (2,000 characters)")


@pytest.mark.parametrize("kind", ["folder", "pipe", "large", "missing"])
def test_a_file_that_is_no_source_is_refused_without_waiting(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "mine.py"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "large":
        with path.open("wb") as file:
            file.truncate(LARGEST_FILE + 1)
    (code,) = code_of({"data.transform": f"{path}:f"})
    with pytest.raises(DataError, match=r"mine\.py of data\.transform cannot be read"):
        code.digest()
