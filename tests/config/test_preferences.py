import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tuitrain.config.preferences import Preferences, load, update, user_themes_folder


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The path of the preferences file, which does not exist yet."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("HOME", str(tmp_path))
    folder = user_themes_folder().parent
    assert tmp_path in folder.parents
    yield folder / "app.toml"
    for path in tmp_path.rglob("*"):
        path.chmod(0o700)


def test_load_without_a_file_returns_the_defaults(file: Path) -> None:
    assert load() == Preferences()
    assert not file.exists()


def test_load_returns_stored_preferences(file: Path) -> None:
    for theme in ("fjord", 'a "quoted" \\ näme\n', ""):
        update(theme=theme)
        assert load() == Preferences(theme)
    assert file.is_file()


def test_update_keeps_the_other_preferences(file: Path) -> None:
    update(theme="dune")
    update(own_process=True)
    assert load() == Preferences("dune", own_process=True)
    update(theme="fjord")
    assert load() == Preferences("fjord", own_process=True)
    assert file.is_file()


@pytest.mark.parametrize(
    "content",
    [
        b"theme = 3",
        b"theme = [",
        b"theme = 'x'\ntheme = 'y'",
        b"\xff\xfe",
        b"\x00",
        b"a = " + b"[" * 10_000,
        b"a = " + b"9" * 9999,
    ],
    ids=range(7),
)
def test_a_damaged_file_is_ignored_and_overwritten(file: Path, content: bytes) -> None:
    file.parent.mkdir(parents=True)
    file.write_bytes(content)
    assert load() == Preferences()
    update(theme="dune")
    assert load() == Preferences("dune")


def test_unknown_preferences_are_ignored(file: Path) -> None:
    file.parent.mkdir(parents=True)
    file.write_text('theme = "dune"\nlater = true\n')
    assert load() == Preferences("dune")


def test_a_folder_in_place_of_the_file_is_ignored(file: Path) -> None:
    file.mkdir(parents=True)
    assert load() == Preferences()
    update(theme="dune")
    assert load() == Preferences()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_home_is_ignored(file: Path, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    update(theme="dune")
    assert load() == Preferences()
    tmp_path.chmod(0o700)
    assert not file.exists()


def test_a_file_in_place_of_the_folder_is_ignored(file: Path) -> None:
    file.parent.parent.write_text("")
    update(theme="dune")
    assert load() == Preferences()


def test_a_link_to_the_file_stays_a_link(file: Path, tmp_path: Path) -> None:
    """People keep their settings in a repository."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.symlink_to(tmp_path / "kept.toml")
    update(theme="dawn")
    assert file.is_symlink()
    assert "dawn" in (tmp_path / "kept.toml").read_text()


def test_a_pipe_in_place_of_the_file_is_not_waited_for(file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    os.mkfifo(file)
    assert load() == Preferences()
    update(theme="dawn")
    assert load().theme == "dawn"
