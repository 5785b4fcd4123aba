"""Alerts at the end of a run."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec import structs

import tuitrain
from hosts.alerts.conftest import Service
from tuitrain.errors import ConfigError
from tuitrain.hosts.alerts.addresses import MOST, addresses_file, load_addresses, save_addresses
from tuitrain.hosts.alerts.ended import alert_end, describe
from tuitrain.hosts.alerts.send import send
from tuitrain.hosts.notify import notify
from tuitrain.runs.folder import RunFolder
from tuitrain.runs.scripts.folder import ScriptFolder

HOSTILE = "\x1b[2J@everyone"


def test_a_run_that_ends_is_reported_and_no_file_of_it_contains_the_address(
    service: Service, write_run: Callable[..., RunFolder], capsys: pytest.CaptureFixture[str]
) -> None:
    save_addresses([service.url])
    finished, failed = write_run(HOSTILE), write_run("bad", status="failed", reason="The loss is not finite.")
    stopped = write_run("given up", status="stopped")
    for folder in (finished, failed, stopped):
        notify(folder, folder.state(), None)
    first, second = service.received
    assert first["title"].endswith("[2J@everyone finished")
    assert "\x1b" not in first["title"] + first["message"]
    assert first["type"] == "success"
    assert "test 90.00 %" in first["message"]
    assert finished.id in first["message"]
    assert (second["title"], second["type"]) == ("bad failed", "failure")
    assert second["message"].startswith("The loss is not finite.")
    written = [path.read_bytes() for path in finished.path.parent.rglob("*") if path.is_file()]
    assert not any(b"secret-word" in content for content in written)
    assert "secret-word" not in capsys.readouterr().out


def test_an_alert_contains_what_a_script_logged(tmp_path: Path) -> None:
    with tuitrain.init(runs_dir=tmp_path) as run:
        run.log({"train/loss": 0.5, "val/accuracy": 0.9})
    folder = ScriptFolder(Path(run.dir))
    assert describe(folder, folder.state()).startswith("validation 90.00 %\ntrain loss 0.5000\nstep 0 after")


def test_the_runs_of_a_sweep_are_reported_if_they_fail(service: Service, write_run: Callable[..., RunFolder]) -> None:
    save_addresses([service.url])
    folder = write_run("trial")
    (folder.path.parent / ".sweeps" / "grid").mkdir(parents=True)
    info = json.loads((folder.path / "run.json").read_text())
    (folder.path / "run.json").write_text(json.dumps(info | {"parent": "grid"}))
    assert alert_end(folder, folder.state()) == []
    assert service.received == []
    assert alert_end(folder, structs.replace(folder.state(), status="failed")) == []
    assert [alert["title"] for alert in service.received] == ["trial failed"]


def test_a_service_that_is_down_fails_nothing(
    service: Service, write_run: Callable[..., RunFolder], capsys: pytest.CaptureFixture[str]
) -> None:
    service.close()
    save_addresses([service.url, "nonsense://"])
    folder = write_run("one")
    notify(folder, folder.state(), None)
    printed = capsys.readouterr().out
    assert re.search(r"^\d\d:\d\d:\d\d alert: JSON \(address 1\) did not accept the alert\.$", printed, re.MULTILINE)
    assert "alert: apprise does not understand address 2." in printed
    assert "secret-word" not in printed


def test_a_service_that_answers_without_an_end(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tuitrain.hosts.alerts.send.TIMEOUT", 1.0)
    assert send("title", "text", "info", [service.slow_url]) == ["Address 1 did not answer."]


def test_a_file_with_too_many_addresses_keeps_them(service: Service) -> None:
    urls = [service.url] * (MOST + 5)
    save_addresses(urls)
    assert load_addresses() == urls
    assert send("title", "text", "info", urls) == [f"Only the first {MOST} of {MOST + 5} addresses receive alerts."]
    assert len(service.received) == MOST


def test_a_user_without_a_home_folder(write_run: Callable[..., RunFolder], monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: str, **__: bool) -> Path:
        raise RuntimeError

    monkeypatch.setattr("platformdirs.user_config_path", unknown)
    folder = write_run("one")
    assert alert_end(folder, folder.state()) == ["You have no home folder. Set HOME."]


def test_the_file_may_be_a_link(tmp_path: Path) -> None:
    save_addresses([])
    (tmp_path / "settings").mkdir()
    target = addresses_file().rename(tmp_path / "settings" / "alerts.toml")
    addresses_file().symlink_to(target)
    save_addresses(["ntfy://topic"])
    assert addresses_file().is_symlink()
    assert load_addresses() == ["ntfy://topic"]
    assert list(target.parent.iterdir()) == [target]


def test_only_the_user_can_read_the_addresses(service: Service, write_run: Callable[..., RunFolder]) -> None:
    save_addresses([service.url])
    assert addresses_file().stat().st_mode & 0o777 == 0o600
    assert load_addresses() == [service.url]
    addresses_file().chmod(0o640)
    with pytest.raises(ConfigError, match="Others can read"):
        load_addresses()
    folder = write_run("one")
    assert "chmod 600" in " ".join(alert_end(folder, folder.state()))
    assert service.received == []


@pytest.mark.parametrize("text", ["urls = 3", "urls = [", "other = 1", 'urls = ["a", 1]'])
def test_a_damaged_file_of_addresses(text: str) -> None:
    save_addresses([])
    addresses_file().write_text(f"# secret-word\n{text}")
    with pytest.raises(ConfigError, match="is not a TOML file") as caught:
        load_addresses()
    assert "secret-word" not in str(caught.value)


def test_without_addresses_apprise_is_not_loaded(write_run: Callable[..., RunFolder]) -> None:
    folder = write_run("one")
    program = (
        "import sys; from pathlib import Path; from tuitrain.runs.folder import RunFolder;"
        "from tuitrain.hosts.alerts.ended import alert_end; folder = RunFolder(Path(sys.argv[1]));"
        "assert alert_end(folder, folder.state()) == []; assert 'apprise' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program, str(folder.path)], check=True)
