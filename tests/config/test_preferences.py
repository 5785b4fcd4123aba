import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tuitrain.config.preferences import Preferences, load, save, update, user_themes_folder


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where the preferences are kept; nothing is there yet."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("HOME", str(tmp_path))
    folder = user_themes_folder().parent
    assert tmp_path in folder.parents
    yield folder / "app.toml"
    for path in tmp_path.rglob("*"):
        path.chmod(0o700)


def test_without_a_file_there_are_defaults(file: Path) -> None:
    assert load() == Preferences()
    assert not file.exists()


def test_what_is_saved_comes_back(file: Path) -> None:
    for theme in ("fjord", 'a "quoted" \\ näme\n', ""):
        save(Preferences(theme))
        assert load() == Preferences(theme)
    assert file.is_file()


def test_changing_one_leaves_the_others(file: Path) -> None:
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
def test_a_damaged_file_is_no_reason_not_to_start(file: Path, content: bytes) -> None:
    file.parent.mkdir(parents=True)
    file.write_bytes(content)
    assert load() == Preferences()
    save(Preferences("dune"))
    assert load() == Preferences("dune")


def test_a_newer_file_is_read(file: Path) -> None:
    file.parent.mkdir(parents=True)
    file.write_text('theme = "dune"\nlater = true\n')
    assert load() == Preferences("dune")


def test_a_folder_in_the_place_of_the_file_is_passed_over(file: Path) -> None:
    file.mkdir(parents=True)
    assert load() == Preferences()
    save(Preferences("dune"))
    assert load() == Preferences()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_home_that_cannot_be_written_is_no_reason_to_complain(file: Path, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    save(Preferences("dune"))
    assert load() == Preferences()
    tmp_path.chmod(0o700)
    assert not file.exists()


def test_a_file_in_the_place_of_the_folder_is_no_reason_to_complain(file: Path) -> None:
    file.parent.parent.write_text("")
    save(Preferences("dune"))
    assert load() == Preferences()
