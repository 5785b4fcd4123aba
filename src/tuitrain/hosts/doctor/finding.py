"""One line of what `tuitrain doctor` finds."""

from typing import Literal

from msgspec import Struct


class Finding(Struct, frozen=True):
    """A line about one part of the machine. Its level is `problem` if something cannot work, and `note` if you may want
    to change something. `advice` is a sentence that says what to do, or an empty string."""

    name: str
    text: str
    level: Literal["ok", "note", "problem"] = "ok"
    advice: str = ""
