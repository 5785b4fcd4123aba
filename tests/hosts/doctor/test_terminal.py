"""What `tuitrain doctor` says of a terminal, by its environment."""

import pytest

from tuitrain.hosts.doctor.terminal import check_terminal


@pytest.mark.parametrize(
    ("environment", "name", "level", "text"),
    [
        ({"NO_COLOR": "1"}, "colors", "ok", "none, because NO_COLOR is set"),
        ({"COLORTERM": "truecolor"}, "colors", "ok", "24 bits"),
        ({"TERM": "screen-256color"}, "colors", "note", "256"),
        ({"TERM": "vt100"}, "colors", "note", "16, as far as TERM tells"),
        ({"LANG": "de_DE.UTF-8"}, "characters", "ok", "UTF-8: curves in braille, pictures in half blocks"),
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
