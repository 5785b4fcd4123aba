"""One line of what `tuitrain doctor` finds."""

from typing import Literal

from msgspec import Struct


class Finding(Struct, frozen=True):
    """What works here, or does not: `problem` prevents something that tuitrain does, `note` makes it less comfortable.
    `advice` is a sentence that says what to do, or an empty string."""

    name: str
    text: str
    level: Literal["ok", "note", "problem"] = "ok"
    advice: str = ""
