"""Follow a run that trains in processes of its own."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tuitrain.config.schema import Config
from tuitrain.config.values import override
from tuitrain.hosts.distributed.followed import FollowingHost, host_for
from tuitrain.hosts.launch import RunSpec
from tuitrain.hosts.thread import ThreadHost
from tuitrain.runs.control import Inbox
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.writer import RunWriter

WriteRun = Callable[..., RunFolder]


@pytest.fixture
def start(write_run: WriteRun, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[..., ThreadHost]]:
    """`start(status=…, dead=…)` follows a run of this process as if it had started in the background."""
    hosts: list[ThreadHost] = []

    def start(**state: object) -> ThreadHost:
        folder = write_run(**state)
        monkeypatch.setattr("tuitrain.hosts.distributed.followed.start_in_background", lambda _: folder)
        hosts.append(FollowingHost())
        hosts[0].start(RunSpec(config=Config(), runs_dir=tmp_path))
        return hosts[0]

    yield start
    hosts[0].detach()
    assert hosts[0].join(60)


def end(host: ThreadHost) -> None:
    assert host.folder is not None
    writer = RunWriter(host.folder)
    writer.end(status="finished")
    writer.close()


def wait_for_folder(host: ThreadHost) -> RunFolder:
    while host.folder is None:
        assert not host.ended.wait(0.01)
    return host.folder


def test_a_run_is_followed_to_its_end(start: Callable[..., ThreadHost]) -> None:
    host = start(status="running")
    wait_for_folder(host)
    assert host.busy
    end(host)
    assert host.join(60)
    assert (host.error, host.in_background) == (None, False)


def test_cancel_stops_the_run(start: Callable[..., ThreadHost]) -> None:
    host = start(status="running")
    inbox = Inbox(wait_for_folder(host), 0)
    host.cancel()
    while not (commands := inbox.new()):
        assert not host.ended.wait(0.01)
    assert [command.name for command in commands] == ["stop"]
    end(host)
    assert host.join(60)
    assert not inbox.new()


def test_a_run_in_the_background_is_left_alone(start: Callable[..., ThreadHost]) -> None:
    host = start(status="running")
    wait_for_folder(host)
    host.detach()
    assert host.join(60)
    assert (host.error, host.in_background) == (None, True)


def test_a_lost_process_is_an_error(start: Callable[..., ThreadHost]) -> None:
    host = start(status="running", dead=True)
    assert host.join(60)
    assert "The process of the run is gone." in str(host.error)


def test_only_runs_on_several_devices_need_processes_of_their_own() -> None:
    settings = (*(f"training.devices={text}" for text in ("none", "1", "2", "all")), "training.nodes=2")
    assert [type(host_for(override(Config(), [setting]))) for setting in settings] == [
        ThreadHost, ThreadHost, FollowingHost, FollowingHost, FollowingHost,
    ]  # fmt: skip
