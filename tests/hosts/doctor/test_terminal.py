"""What `tuitrain doctor` says of a terminal, by its environment."""

from pathlib import Path

import pytest

from tuitrain.config import preferences
from tuitrain.hosts.doctor.terminal import check_terminal


@pytest.mark.parametrize(
    ("environment", "name", "level", "text"),
    [
        ({"NO_COLOR": "1"}, "colors", "ok", "none, because NO_COLOR is set"),
        ({"COLORTERM": "truecolor"}, "colors", "ok", "24 bits"),
        ({"TERM": "screen-256color"}, "colors", "note", "256"),
        ({"TERM": "vt100"}, "colors", "note", "16, as far as TERM tells"),
        ({"LANG": "de_DE.UTF-8"}, "characters", "ok", "UTF-8: curves in braille"),
        ({"TERM": "xterm-256color"}, "pictures", "ok", "sixels if the terminal draws them, otherwise half blocks"),
        (
            {"TERM": "linux"},
            "pictures",
            "ok",
            "sixels if the terminal draws them, otherwise characters, for lack of colors",
        ),
        ({"TERM": "xterm-kitty", "NO_COLOR": "1"}, "pictures", "ok", "characters, because NO_COLOR is set"),
        ({"TERM": "xterm-kitty"}, "pictures", "ok", "kitty's graphics, from kitty 0.28 on"),
        ({"TERM": "xterm-ghostty"}, "pictures", "ok", "kitty's graphics"),
        ({"LC_ALL": "C"}, "characters", "note", "no UTF-8 locale: curves are drawn with plain marks"),
    ],
)
def test_what_the_environment_says(environment: dict[str, str], name: str, level: str, text: str) -> None:
    (found,) = (finding for finding in check_terminal(environment) if finding.name == name)
    assert (found.level, found.text) == (level, text)
    assert bool(found.advice) == (level != "ok")


def test_the_advice_for_colors_within_tmux() -> None:
    (colors,) = (finding for finding in check_terminal({"TMUX": "/tmp/socket"}) if finding.name == "colors")
    assert "terminal-features" in colors.advice


@pytest.mark.parametrize(
    ("version", "passes_on", "text"),
    [
        ("kitty(0.41.1)", "on", "kitty's graphics, through tmux"),
        ("ghostty 1.1.3", "1", "kitty's graphics, through tmux"),
        ("kitty(0.41.1)", "off", "half blocks, because tmux passes no graphics on"),
        ("XTerm(370)", "all", "half blocks"),
    ],
)
def test_pictures_within_tmux(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, passes_on: str, text: str
) -> None:
    command = tmp_path / "tmux"
    command.write_text(f"#!/bin/sh\nprintf '%s\\t%s\\t/dev/pts/1\\t1\\n' '{version}' {passes_on}\n")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    found = check_terminal({"TMUX": "/tmp/socket", "TERM": "tmux-256color"})
    pictures = next(finding for finding in found if finding.name == "pictures")
    assert pictures.text == text
    assert ("allow-passthrough" in pictures.advice) == (passes_on == "off")


def test_pictures_as_the_user_chose() -> None:
    for choice, text in (("kitty", "kitty's graphics"), ("sixel", "sixels"), ("blocks", "half blocks")):
        preferences.update(pictures=choice)
        found = {finding.name: finding.text for finding in check_terminal({"TERM": "xterm-256color"})}
        assert found["pictures"] == f"{text}, as you chose in the palette"
