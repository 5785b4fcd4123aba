"""A script obeys the commands that it asks for, and no others."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import tuitrain
from logged_runs import wait_for
from tuitrain.cli import main
from tuitrain.logger.run import Run
from tuitrain.runs.control import CommandName, send
from tuitrain.runs.scripts.follower import ScriptFollower

Read = Callable[[], ScriptFollower]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("TUITRAIN_RUNS", str(tmp_path / "runs"))
    return tuitrain.init(name="one", config={"lr": 0.1, "depth": 3, "aug": {"flip": True}})


def ask(run: Run, *names: str) -> None:
    """Let the script ask, and wait until the run says so."""
    for name in names:
        run.setting(name)
    wait_for(lambda: set(names) <= set(_script(run)["asks"]))


def _script(run: Run) -> dict[str, Any]:
    import json

    content: dict[str, Any] = json.loads((Path(run.dir) / "script.json").read_text())
    return content


def test_a_script_that_asks_is_stopped(run: Run, read: Read) -> None:
    assert not run.should_stop
    wait_for(lambda: _script(run)["asks"] == ["stop"])
    assert main(["stop", "one"]) == 0
    wait_for(lambda: run.should_stop)
    run.finish()
    assert read().status == "stopped"
    assert "@" in read().state.reason


def test_a_script_that_does_not_ask_is_watched_only(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    for command in (["stop", "one"], ["pause", "one"], ["set", "one", "lr=0.5"]):
        assert main(command) == 2
    messages = capsys.readouterr().err
    assert "does not ask for commands" in messages
    assert "pause is not possible" in messages
    assert "does not ask for 'lr'" in messages
    assert not (Path(run.dir) / "control.jsonl").exists()


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [("lr", "0.5", 0.5), ("lr", "1", 1.0), ("depth", "5", 5), ("aug.flip", "false", False), ("new", "x y", "x y")],
)
def test_a_setting_gets_the_value_of_the_user(run: Run, read: Read, name: str, text: str, value: object) -> None:
    ask(run, name)
    assert main(["set", "one", f"{name}={text}"]) == 0
    assert run.setting(name) == value
    assert type(run.setting(name)) is type(value)
    run.finish()
    assert [(event.name, event.detail) for event in read().events] == [("set", f"{name}={value}")]


def test_a_value_of_another_type_is_refused(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    ask(run, "depth")
    assert main(["set", "one", "depth=deep"]) == 2
    assert "'deep' is not a value like 3" in capsys.readouterr().err
    assert run.setting("depth") == 3


def test_commands_for_other_loops_are_refused(run: Run, read: Read) -> None:
    folder = read().folder
    names: tuple[CommandName, ...] = ("pause", "checkpoint", "stop")
    for name in names:
        send(folder, name)
    wait_for(lambda: len(read().events) == 3)
    assert {event.name for event in read().events} == {"refused"}
    assert not run.should_stop


def test_names_that_no_setting_can_have_do_not_damage_the_run(
    run: Run, read: Read, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run.setting(3, default=0.5) == 0.5  # type: ignore[arg-type]
    assert run.setting("\ud800", default=1) == 1
    run.finish()
    assert read().asks == ["?"]
    assert capsys.readouterr().err.count("takes the name of a setting, such as 'lr', and not 3") == 1


def test_asking_from_several_threads_works(run: Run) -> None:
    threads = [threading.Thread(target=lambda: [run.setting("lr") for _ in range(1000)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert run.setting("lr") == 0.1
