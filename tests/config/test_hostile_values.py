"""Values and texts that no setting takes."""

import random
import string
from collections.abc import Callable
from functools import partial

import pytest

from config.rejected import error_of
from tuitrain.config.formatting import format_value
from tuitrain.config.schema import Config
from tuitrain.config.settings import settings
from tuitrain.config.validation import check_value
from tuitrain.config.values import override, parse_value
from tuitrain.errors import ConfigError
from tuitrain.text import plain

HUGE = 10**400
HOSTILE = [
    "\x1b[31mred", "\x1b]0;title\x07", "a\nb", "a\rb", "\x00", "\x9b2J", "\u202egnp", "\u2028", "\ud800", "\udcff",
    "[red]x[/red]", "[link=http://x]", "x" * 100_000,
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_messages_never_contain_control_characters(text: str) -> None:
    attempts: list[Callable[[], object]] = [
        partial(check_value, text, 1), partial(override, Config(), [f"{text}=1"]), partial(override, Config(), [text])
    ]  # fmt: skip
    for key, setting in settings().items():
        attempts += [partial(check_value, key, [text] if setting.is_list else text), partial(parse_value, key, text)]
    messages = []
    for attempt in attempts:
        try:
            attempt()
        except ConfigError as error:
            messages.append(str(error))
    assert len(messages) > len(settings())
    for message in messages:
        assert plain(message, 2000) == message
        assert len(message) < 1000


@pytest.mark.parametrize("text", ["\x00", "a\nb", "\x1b[31m", "\ud800", "\udcff"], ids=range(5))  # noqa: PT014
def test_unprintable_text_is_rejected(text: str) -> None:
    assert "printable text" in str(error_of("data.dir", f"a{text}b"))
    assert "cuda:99" in str(error_of("training.device", f"cuda{text}"))


WRONG_TYPES = [HUGE, -HUGE, 10**5000, 2**63, {"a": 1}, {}, object(), b"x", [[1]], (None,)]


@pytest.mark.parametrize("value", WRONG_TYPES, ids=range(len(WRONG_TYPES)))
def test_every_setting_rejects_values_of_a_wrong_type(value: object) -> None:
    for key in settings():
        if isinstance(value, int) and settings()[key].kind is float and abs(value) < HUGE:
            continue
        if isinstance(value, dict) and key == "model.args" and len(value) < 2:
            continue
        error = error_of(key, value)
        assert error.key == key
        assert len(str(error)) < 1000


def test_random_text_is_parsed_or_rejected() -> None:
    draw = random.Random(0)
    alphabet = string.printable + "äß٣½\x00\x1b\u202e\ud800🦆"
    pieces = ["none", "true", "[", "]", ",", "1e9", "-", "nan", "inf", "0x1", "1_0", "9" * 5000, *alphabet]
    accepted, rejected = 0, []
    for _ in range(8_000):
        key = draw.choice(list(settings()))
        text = "".join(draw.choice(pieces) for _ in range(draw.randrange(6)))
        try:
            value = parse_value(key, text)
        except ConfigError as error:
            rejected.append((key, error))
        else:
            accepted += 1
            assert check_value(key, value) == value
            assert parse_value(key, format_value(value)) == value
    assert accepted > 400
    for key, rejection in rejected:
        assert rejection.key == key
        assert plain(rejection, 2000) == str(rejection)
