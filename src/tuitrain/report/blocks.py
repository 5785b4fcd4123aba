"""The content of a report, apart from its form: sections of texts, tables, charts and pictures.

All texts may be hostile. The renderers make them safe.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from tuitrain.analysis.text_tables import Lines


@dataclass(frozen=True)
class Text:
    """A paragraph. A `missing` one says what the run lacks, a `warning` needs attention."""

    kind: ClassVar = "text"
    text: str
    tone: Literal["", "missing", "warning"] = ""


@dataclass(frozen=True)
class Quote:
    """The user's own words, line by line."""

    kind: ClassVar = "quote"
    lines: Sequence[str]


@dataclass(frozen=True)
class Headline:
    """The most important number, and what it is."""

    kind: ClassVar = "headline"
    value: str
    text: str


@dataclass(frozen=True)
class Facts:
    """Names and values."""

    kind: ClassVar = "facts"
    rows: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Table:
    """A table whose first line has the titles. `right` are the columns that are aligned to the right."""

    kind: ClassVar = "table"
    lines: Lines
    right: Collection[int] = ()
    title: str = ""


@dataclass(frozen=True)
class Code:
    """Text to copy."""

    kind: ClassVar = "code"
    title: str
    text: str


@dataclass(frozen=True)
class Chart:
    """A drawing: `name` names its file, `text` describes it to readers who do not see it. `svg` is a file of its own,
    and `inline` the same drawing for an HTML page, in the page's colors."""

    title: str
    name: str
    text: str
    svg: str
    inline: str


@dataclass(frozen=True)
class Charts:
    """Charts side by side."""

    kind: ClassVar = "charts"
    charts: Sequence[Chart]


@dataclass(frozen=True)
class Picture:
    """An image as a PNG file, and what it shows, line by line."""

    name: str
    png: bytes
    lines: Sequence[str]


@dataclass(frozen=True)
class Pictures:
    kind: ClassVar = "pictures"
    pictures: Sequence[Picture]


Block = Text | Quote | Headline | Facts | Table | Code | Charts | Pictures


@dataclass(frozen=True)
class Section:
    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True)
class Report:
    """A report: `subtitle` follows its title, and `about` says which version of tuitrain wrote it, and when."""

    title: str
    subtitle: str
    sections: Sequence[Section]
    about: str
