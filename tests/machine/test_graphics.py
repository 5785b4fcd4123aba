"""Which terminals draw pictures."""

import pytest

from tuitrain.machine.graphics import draws_pictures, draws_sixels, may_draw_pictures


@pytest.mark.parametrize(
    ("version", "drawn"),
    [
        ("kitty(0.28.0)", True), ("kitty(0.41.1)", True), ("kitty(1.0)", True), ("ghostty 1.1.3", True),
        ("Ghostty", True), ("kitty(0.27.1)", False), ("kitty(0.9.0)", False), ("kitty", False), ("", False),
        ("WezTerm 20240203-110809-5046fc22", False), ("XTerm(370)", False), ("tmux 3.5a", False),
        (f"kitty({'9' * 5000}.1)", False),
    ],
)  # fmt: skip
def test_the_version_of_the_terminal_decides(version: str, drawn: bool) -> None:
    assert draws_pictures(version) == drawn


def test_only_terminals_that_may_draw_pictures_are_asked() -> None:
    assert may_draw_pictures({"TERM": "xterm-ghostty"})
    # A terminal that was started from a shell in kitty.
    assert not may_draw_pictures({"TERM": "xterm-256color", "KITTY_WINDOW_ID": "1"})
    assert not may_draw_pictures({})


@pytest.mark.parametrize(
    ("attributes", "drawn"), [("64;1;2;4;22", True), ("4", True), ("1;2", False), ("44;14", False), ("", False)]
)
def test_the_attributes_of_the_terminal_tell_whether_it_draws_sixels(attributes: str, drawn: bool) -> None:
    assert draws_sixels(attributes) == drawn
