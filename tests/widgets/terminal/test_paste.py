import time

import pytest
from textual.drivers import linux_driver
from textual.events import Key, Paste
from textual.message import Message

from tuitrain.widgets.terminal.keys import OrderedKeys
from tuitrain.widgets.terminal.paste import END, START, PasteParser, TerminalAttributes, TerminalVersion

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


REPORTS = {
    "mouse": "\x1b[<0;12;7M\x1b[<0;12;7m\x1b[<64;300;200M\x1b[<35;-1;5m",
    "old mouse": "\x1b[M !!\x1b[M\x7fqq",
    "device attributes": "\x1b[?62;22c\x1b[>1;10;0c\x1b[?1u",
    "colors": "\x1b]11;rgb:ffff/ffff/ffff\x07\x1b]4;1;rgb:cdcd/0000/0000\x1b\\",
    "version": "\x1bP>|XTerm(388)\x1b\\\x1bP1+r5463=32\x1b\\",
    "graphics": "\x1b_Gi=31;OK q\x1b\\",
}


@pytest.mark.parametrize("report", REPORTS.values(), ids=REPORTS)
@pytest.mark.parametrize("size", [1, 3, 4096])
def test_reports_of_the_terminal_are_no_keys(report: str, size: int) -> None:
    text = f"a{report}\x1b[A{report}b{report}"
    assert parsed(*(text[at : at + size] for at in range(0, len(text), size))) == ["<a>", "<up>", "<b>"]


def test_input_that_is_not_utf8_is_no_error() -> None:
    OrderedKeys()
    decode = vars(linux_driver)["getincrementaldecoder"]("utf-8")().decode
    assert decode(b"a\xffb\x9b", final=True) == "a\ufffdb\ufffd"


def test_the_app_uses_this_parser() -> None:
    OrderedKeys()
    assert vars(linux_driver)["XTermParser"] is PasteParser


@pytest.mark.parametrize(
    ("typed", "keys"),
    [
        ("\x1b", ["escape"]),
        ("a\x1b", ["a", "escape"]),
        ("\x1bx", ["alt+x"]),
        ("\x1bP", ["alt+shift+p"]),
        ("\x1b]", ["right_square_bracket"]),
    ],
)
def test_a_lone_escape_is_a_key_after_a_moment(typed: str, keys: list[str]) -> None:
    parser = PasteParser()
    found = list(parser.feed(typed))
    deadline = time.monotonic() + 10
    while len(found) < len(keys) and time.monotonic() < deadline:
        found += parser.tick()
    assert [event.key for event in found if isinstance(event, Key)] == keys


@pytest.mark.parametrize("size", [1, 4, 100])
def test_what_the_terminal_is_able_to_do_is_reported(size: int) -> None:
    parser, text = PasteParser(), "a\x1b[?64;1;4c\x1b[?2026;2$y\x1b[>41;388;0cb"
    events = [event for at in range(0, len(text), size) for event in parser.feed(text[at : at + size])]
    assert [event.attributes for event in events if isinstance(event, TerminalAttributes)] == ["64;1;4"]
    assert [event.key for event in events if isinstance(event, Key)] == ["a", "b"]


@pytest.mark.parametrize("size", [1, 4, 100])
def test_the_version_of_the_terminal_is_reported(size: int) -> None:
    parser, text = PasteParser(), "a\x1bP>|kitty(0.41.1)\x1b\\b"
    events = [event for at in range(0, len(text), size) for event in parser.feed(text[at : at + size])]
    assert [event.version for event in events if isinstance(event, TerminalVersion)] == ["kitty(0.41.1)"]
    assert [event.key for event in events if isinstance(event, Key)] == ["a", "b"]


@pytest.mark.parametrize(
    ("begin", "end", "answer"),
    [("\x1bP>|kit", "ty(0.41.1)\x1b\\", TerminalVersion), ("\x1b[?64;", "4c", TerminalAttributes)],
)
def test_the_rest_of_an_answer_may_follow_late_but_its_beginning_is_no_keys(
    monkeypatch: pytest.MonkeyPatch, begin: str, end: str, answer: type[Message]
) -> None:
    now = 0.0
    monkeypatch.setattr("tuitrain.widgets.terminal.paste.monotonic", lambda: now)
    parser = PasteParser()
    events = list(parser.feed(begin))
    now += 1
    events += parser.tick()
    events += parser.feed(f"{end}a{begin}")
    now += 5
    events += parser.tick()
    events += parser.feed("b")
    assert [type(event) for event in events if not isinstance(event, Key)] == [answer]
    assert [event.key for event in events if isinstance(event, Key)] == ["a", "b"]
