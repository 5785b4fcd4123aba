"""Messages to the user of a script: one line on stderr each, and never an error."""

import sys
from contextlib import suppress

from tuitrain.text import plain


def say(message: str) -> None:
    # stderr may be closed, or None.
    with suppress(Exception):
        print(f"tuitrain: {plain(message, 1000)}", file=sys.stderr, flush=True)  # noqa: T201


class Notes:
    """Messages that appear once each."""

    def __init__(self) -> None:
        self._said: set[str] = set()

    def once(self, topic: str, message: str) -> None:
        if topic not in self._said:
            self._said.add(topic)
            say(message)
