import random
import sys
import unicodedata

import pytest

from tuitrain.text import counted, plain


def test_plain_keeps_text_of_every_script() -> None:
    for text in ("", "plain", "Größe 日本語 עברית Ελληνικά 🦆 e\u0301", "[bold]not markup[/]", "a  b"):
        assert plain(text) == text


def test_plain_replaces_every_control_character() -> None:
    for number in range(sys.maxunicode + 1):
        if unicodedata.category(chr(number)) in ("Cc", "Cs", "Zl", "Zp"):
            shown = plain(f"a{chr(number)}b")
            assert shown in ("a\N{REPLACEMENT CHARACTER}b", "a b")
            assert (shown == "a b") == (chr(number) == "\t")


@pytest.mark.parametrize("mark", "\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069", ids=ascii)
def test_plain_replaces_bidirectional_controls(mark: str) -> None:
    assert plain(f"exe{mark}gnp") == "exe\N{REPLACEMENT CHARACTER}gnp"


def test_plain_replaces_the_character_in_whose_place_kitty_shows_pictures() -> None:
    assert plain("a\U0010eeee\u0305b") == "a\N{REPLACEMENT CHARACTER}\u0305b"


def test_plain_shortens_long_text_with_an_ellipsis() -> None:
    assert plain("x" * 400) == "x" * 400
    assert plain("x" * 401) == "x" * 399 + "…"
    assert plain("x" * 10_000_000, 5) == "xxxx…"
    assert plain("abc", 3) == "abc"


def test_plain_accepts_any_object() -> None:
    assert plain(None) == "None"
    assert plain(ValueError("a\nb")) == "a\N{REPLACEMENT CHARACTER}b"


def test_plain_returns_one_encodable_line_and_is_idempotent() -> None:
    draw = random.Random(0)
    for _ in range(5000):
        text = "".join(chr(draw.choice([draw.randrange(0x300), draw.randrange(0x110000)])) for _ in range(20))
        shown = plain(text, draw.randrange(1, 30))
        assert len(shown.splitlines()) <= 1
        assert plain(shown) == shown
        assert shown.encode()


@pytest.mark.parametrize(("count", "text"), [(0, "0 epochs"), (1, "1 epoch"), (2000, "2,000 epochs")])
def test_a_number_and_its_noun_agree(count: int, text: str) -> None:
    assert counted(count, "epoch") == text
