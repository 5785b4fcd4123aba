"""A user without a home folder, as a container may have."""

import pwd
from pathlib import Path

import pytest

from tuitrain.cli import main


@pytest.mark.parametrize("home", [None, "", "/proc/none"], ids=["unset", "empty", "not writable"])
def test_commands_work_or_say_what_they_cannot_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], home: str | None
) -> None:
    def unknown(_: int) -> None:
        raise KeyError

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    for name in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", home or "")
    if home is None:
        monkeypatch.delenv("HOME")
    # As root, tuitrain could create it.
    monkeypatch.setattr("tuitrain.cli.NO_HOME", "/proc/none")
    monkeypatch.chdir(tmp_path)
    assert main(["runs"]) == 0
    assert main(["queue", "list"]) == 0
    assert main(["notify", "add", "ntfy://topic"]) == 2
    assert "/proc/none/.config/tuitrain/notify.toml cannot be written" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
