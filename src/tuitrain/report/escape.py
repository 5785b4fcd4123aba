"""Texts and pictures in HTML and Markdown."""

import re
from base64 import b64encode

from markupsafe import Markup

from tuitrain.text import markdown_text, plain

# What begins a list, a heading or a line of a table at the beginning of a line.
_FIRST = re.compile(r"^(\d{1,9}(?=[.)](?:\s|$))|(?=[-+=]))")
LONGEST_LINE = 8000


def markdown_line(text: object, limit: int) -> str:
    """Return `text` as one line of Markdown that shows it as it is, also at the beginning of a paragraph."""
    return _FIRST.sub(r"\1\\", markdown_text(text, limit).lstrip())


def fenced(text: str) -> Markup:
    """Return a block of code, within a fence that the text cannot end."""
    lines = [plain(line, LONGEST_LINE) for line in text.splitlines()]
    longest = max((len(found) for line in lines for found in re.findall("`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    return Markup("\n".join([fence, *lines, fence]))


def data_uri(png: bytes) -> str:
    return f"data:image/png;base64,{b64encode(png).decode()}"
