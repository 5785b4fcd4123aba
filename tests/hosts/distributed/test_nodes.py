"""Nodes join a run, here of one machine."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from hosts.background_runs import ended, tuitrain, until
from hosts.distributed.rank_processes import address
from tuitrain.config.schema import Config
from tuitrain.errors import RunError, TuitrainError
from tuitrain.hosts.background import start_in_background
from tuitrain.hosts.distributed import join
from tuitrain.hosts.launch import RunSpec, create_run
from tuitrain.runs.control import send
from tuitrain.runs.folder import RunFolder

Quick = Callable[..., Config]


def test_only_nodes_that_see_the_folder_of_the_run_join_it(
    quick: Quick, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = quick("training.nodes=2")
    folder = start_in_background(RunSpec(config=config, runs_dir=home / "runs"))
    other = create_run(RunSpec(config=config, runs_dir=home / "other"))
    at = address(folder)

    def refusal(run: RunFolder, at: str = at) -> str:
        with pytest.raises(TuitrainError) as raised:
            join.join(run, at, "", lambda _: None, lambda: False)
        return str(raised.value)

    assert f"trains {folder.id}, not {other.id}" in refusal(other)
    copy = RunFolder(shutil.copytree(folder.path, home / "elsewhere" / folder.id))
    copy.write_config(config)
    (copy.path / "state.json").write_bytes((other.path / "state.json").read_bytes())
    monkeypatch.setattr(join, "_VISIBLE", 0.1)
    assert "is not the folder that the leading node writes" in refusal(copy)
    assert "Nothing can be reached at localhost:1: Connection refused" in refusal(folder, "localhost:1")
    with pytest.raises(RunError, match=r"during its start: Nothing can be reached at localhost:1: Connection refused"):
        join.join_in_background(folder, "localhost:1", "")
    folder.write_config(quick("training.nodes=2", "training.devices=2"))
    assert "would train on 2 devices, and the leading node on 1" in refusal(folder)
    elsewhere = tuitrain(home / "elsewhere", "join", folder.id, "--at", at)
    assert (elsewhere.returncode, "All machines must see the same runs folder" in elsewhere.stderr) == (2, True)

    send(folder, "stop")
    until(lambda: ended(folder), folder)
    assert (folder.state().status, folder.state().reason) == ("stopped", "Stopped by the user.")
