import time

import pytest
from textual.drivers import linux_driver
from textual.events import Key, Paste

from tuitrain.widgets.terminal.keys import OrderedKeys
from tuitrain.widgets.terminal.paste import END, START, PasteParser

LOG = "\x1b[31mloss\x1b[0m 0.1\x1bx\r\nxxq"


def parsed(*chunks: str) -> list[str]:
    """Return the pasted texts, and the names of keys in angle brackets."""
    parser, found = PasteParser(), []
    for chunk in chunks:
        for event in parser.feed(chunk):
            if isinstance(event, Paste):
                found.append(event.text)
            elif isinstance(event, Key):
                found.append(f"<{event.key}>")
    return found


def test_a_paste_is_one_event_without_terminal_sequences() -> None:
    assert parsed(f"a{START}{LOG}{END}b\x1b[A") == ["<a>", "loss 0.1\x1bx\r\nxxq", "<b>", "<up>"]


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7])
def test_chunks_of_any_size_give_the_same(size: int) -> None:
    text = f"a{START}{LOG}{END}{START}{END}b\x1b[A\x1b[5~"
    expected = parsed(text)
    assert parsed(*(text[at : at + size] for at in range(0, len(text), size))) == expected


def test_the_app_uses_this_parser() -> None:
    OrderedKeys()
    assert vars(linux_driver)["XTermParser"] is PasteParser


@pytest.mark.parametrize(("typed", "keys"), [("\x1b", ["escape"]), ("a\x1b", ["a", "escape"]), ("\x1bx", ["alt+x"])])
def test_a_lone_escape_is_a_key_after_a_moment(typed: str, keys: list[str]) -> None:
    parser = PasteParser()
    found = list(parser.feed(typed))
    deadline = time.monotonic() + 10
    while len(found) < len(keys) and time.monotonic() < deadline:
        found += parser.tick()
    assert [event.key for event in found if isinstance(event, Key)] == keys
